"""`attributes/` and `events/`: what the data means. First sight makes a definition; here it is read and described."""

from __future__ import annotations

from django_filters import rest_framework as filters
from rest_framework import serializers
from rest_framework.mixins import UpdateModelMixin

from cdp.api.filters import YesNoFilter
from cdp.api.router import route
from cdp.api.serializers import StrictModelSerializer
from cdp.api.viewsets import ReadingViewSet
from profiles.models import AttributeDefinition, EventDefinition

ANY_TEXT = r"[^\x00]+"  # keys and names as they were sent, slashes and all


class AttributeSerializer(StrictModelSerializer[AttributeDefinition]):
    class Meta:
        model = AttributeDefinition
        fields = ("key", "label", "type", "survivorship", "is_pii", "is_discovered", "created_at")
        read_only_fields = ("key", "type", "survivorship", "is_discovered", "created_at")


class AttributeFilters(filters.FilterSet):
    is_pii = YesNoFilter()
    is_discovered = YesNoFilter()

    class Meta:
        model = AttributeDefinition
        fields = ("type", "is_pii", "is_discovered")


@route("attributes")
class AttributeViewSet(UpdateModelMixin, ReadingViewSet):
    """Attributes by key. PATCH changes the label and whether it is personal data, which is masked from then on."""

    http_method_names = ["get", "head", "options", "patch"]
    queryset = AttributeDefinition.objects.order_by("key")
    serializer_class = AttributeSerializer
    filterset_class = AttributeFilters
    lookup_field = "key"
    lookup_value_regex = ANY_TEXT


class EventDefinitionSerializer(serializers.ModelSerializer[EventDefinition]):
    class Meta:
        model = EventDefinition
        fields = ("name", "value_property", "value_sign", "is_discovered", "created_at")
        read_only_fields = fields


class EventDefinitionFilters(filters.FilterSet):
    is_discovered = YesNoFilter()

    class Meta:
        model = EventDefinition
        fields = ("is_discovered",)


@route("events")
class EventDefinitionViewSet(ReadingViewSet):
    """Events by name, and which of their properties is the number that counts."""

    queryset = EventDefinition.objects.order_by("name")
    serializer_class = EventDefinitionSerializer
    filterset_class = EventDefinitionFilters
    lookup_field = "name"
    lookup_value_regex = ANY_TEXT
