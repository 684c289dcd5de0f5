"""`attributes/` and `events/`: what the data means. First sight makes a definition; here it is planned."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.mixins import CreateModelMixin, UpdateModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from cdp.api.filters import YesNoFilter
from cdp.api.router import route
from cdp.api.runs import RunSerializer, accepted
from cdp.api.serializers import StrictModelSerializer
from cdp.api.viewsets import AuditedViewSet
from cdp.models import Run
from profiles.ingest.traits import MAX_KEY_LENGTH
from profiles.models import AttributeDefinition, EventDefinition
from profiles.services.definitions import save_attribute, save_event_definition

ANY_TEXT = r"[^\x00]+"  # keys and names as they were sent, slashes and all
VALUED = OpenApiResponse(RunSerializer, description="Saved; the run gives the events stored so far their value.")
FOLDED = OpenApiResponse(RunSerializer, description="Saved; the run folds the values again.")


class RunningUpdate(UpdateModelMixin):
    """Answers with the run that a change sets off, which the serializer holds as `run`, where it sets off one."""

    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        serializer: Any = self.get_serializer(self.get_object(), data=request.data, partial=True)  # type: ignore[attr-defined]
        serializer.is_valid(raise_exception=True)
        serializer.save()
        return accepted(serializer.run, request) if serializer.run else Response(serializer.data)


class AttributeSerializer(StrictModelSerializer[AttributeDefinition]):
    """`is_discovered` false plans an attribute that was discovered; nothing makes it discovered again. A new one counts
    as personal data unless it says that it is none."""

    run: Run | None = None  # of the update, where values are folded again
    key = serializers.CharField(max_length=MAX_KEY_LENGTH, trim_whitespace=False)
    is_pii = serializers.BooleanField(default=True)

    class Meta:
        model = AttributeDefinition
        fields = (
            "key", "label", "category", "type", "survivorship", "is_pii", "is_discovered", "created_at",
        )  # fmt: skip
        read_only_fields = ("created_at",)

    def validate_key(self, key: str) -> str:
        if self.instance is None and AttributeDefinition.objects.filter(key=key).exists():
            raise serializers.ValidationError(_("there is one already"))
        return key

    def create(self, validated_data: dict[str, Any]) -> AttributeDefinition:
        definition = AttributeDefinition(**{**validated_data, "is_discovered": False})
        save_attribute(definition, user=self.context["request"].user)
        return definition

    def save_edited(self, edited: AttributeDefinition, *, changed: Collection[str]) -> None:
        self.run = save_attribute(edited, user=self.context["request"].user, changed=changed)


class AttributeFilters(filters.FilterSet):
    is_pii = YesNoFilter()
    is_discovered = YesNoFilter()

    class Meta:
        model = AttributeDefinition
        fields = ("type", "is_pii", "is_discovered", "category")


@route("attributes")
class AttributeViewSet(CreateModelMixin, RunningUpdate, AuditedViewSet):
    """Attributes by key. POST plans one that nobody has sent yet."""

    http_method_names = ["get", "head", "options", "post", "patch"]
    queryset = AttributeDefinition.objects.order_by("key")
    serializer_class = AttributeSerializer
    filterset_class = AttributeFilters
    lookup_field = "key"
    lookup_value_regex = ANY_TEXT

    @extend_schema(responses={200: AttributeSerializer, 202: FOLDED})
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Another type or survivorship folds all values again: the answer is 202 with the run that does. A type that a
        rule cannot compare is refused."""
        return super().partial_update(request, *args, **kwargs)


class EventDefinitionSerializer(StrictModelSerializer[EventDefinition]):
    """`value_property` names the number that counts, with its sign, once: what has a value keeps it, since events hold
    it. `schema` is a JSON Schema of the properties (draft 2020-12, without references), or null."""

    run: Run | None = None  # of the update, where the events stored so far get their value
    fixed: tuple[str, ...] = ("name",)
    name = serializers.CharField(max_length=MAX_KEY_LENGTH)
    schema = serializers.JSONField(required=False, allow_null=True)

    class Meta:
        model = EventDefinition
        fields = (
            "name", "label", "category", "value_property", "value_sign", "schema", "is_discovered", "created_at",
        )  # fmt: skip
        read_only_fields = ("created_at",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if isinstance(self.instance, EventDefinition) and self.instance.value_property:
            self.fixed = ("name", "value_property", "value_sign")

    def validate_name(self, name: str) -> str:
        if self.instance is None and EventDefinition.objects.filter(name=name).exists():
            raise serializers.ValidationError(_("there is one already"))
        return name

    def create(self, validated_data: dict[str, Any]) -> EventDefinition:
        definition = EventDefinition(**{**validated_data, "is_discovered": False})
        save_event_definition(definition, user=self.context["request"].user)
        return definition

    def save_edited(self, edited: EventDefinition, *, changed: Collection[str]) -> None:
        self.run = save_event_definition(edited, user=self.context["request"].user, changed=changed)


class EventDefinitionFilters(filters.FilterSet):
    is_discovered = YesNoFilter()

    class Meta:
        model = EventDefinition
        fields = ("is_discovered", "category")


@route("events")
class EventDefinitionViewSet(CreateModelMixin, RunningUpdate, AuditedViewSet):
    """Events by name, and which of their properties is the number that counts. POST plans one."""

    http_method_names = ["get", "head", "options", "post", "patch"]
    queryset = EventDefinition.objects.order_by("name")
    serializer_class = EventDefinitionSerializer
    filterset_class = EventDefinitionFilters
    lookup_field = "name"
    lookup_value_regex = ANY_TEXT

    @extend_schema(responses={200: EventDefinitionSerializer, 202: VALUED})
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A value that is named for events that had none is given to those stored so far: the answer is 202 with the
        run that does. It cannot be changed later. Where the run failed, the next PATCH queues it again."""
        return super().partial_update(request, *args, **kwargs)
