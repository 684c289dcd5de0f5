"""`import-mappings/`: mappings kept under a key, and the folders that they watch."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from rest_framework import serializers

from cdp.api.filters import YesNoFilter
from cdp.api.router import route
from cdp.api.serializers import StrictModelSerializer
from cdp.api.viewsets import ManagingViewSet
from profiles.api.imports import MappingField, usable_sources
from profiles.models import ImportMapping, Source


class ImportMappingSerializer(StrictModelSerializer[ImportMapping]):
    """`folder` lies below the import folder of the installation; while `is_watching`, each new file in it is imported
    once. `watch_error` says why nothing comes of that.
    """

    source = serializers.SlugRelatedField(slug_field="key", queryset=usable_sources())  # type: ignore[assignment]
    mapping = MappingField()

    class Meta:
        model = ImportMapping
        fields = ("key", "name", "source", "mapping", "folder", "is_watching", "watch_error", "created_at")
        read_only_fields = ("watch_error", "created_at")

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        def now(name: str) -> Any:
            return data.get(name, getattr(self.instance, name, None))

        if now("is_watching") and not now("folder"):
            raise serializers.ValidationError({"folder": [_("is needed to watch: which folder?")]})
        return data


class ImportMappingFilters(filters.FilterSet):
    source = filters.ModelChoiceFilter(to_field_name="key", queryset=Source.objects.all())
    is_watching = YesNoFilter()

    class Meta:
        model = ImportMapping
        fields = ("source", "is_watching")


@route("import-mappings")
class ImportMappingViewSet(ManagingViewSet):
    """Saved mappings by key; what was imported by one stays when it is deleted."""

    queryset = ImportMapping.objects.select_related("source").order_by("key")
    serializer_class = ImportMappingSerializer
    filterset_class = ImportMappingFilters
