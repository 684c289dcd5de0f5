"""`import-mappings/`: mappings kept under a key, and the folders that they watch."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from cdp.api.filters import YesNoFilter
from cdp.api.router import route
from cdp.api.serializers import StrictModelSerializer
from cdp.api.viewsets import ManagingViewSet
from cdp.disclosure import shown_reason
from profiles.api.imports import MappingField, usable_sources
from profiles.masking import masking_for
from profiles.models import ImportedFile, ImportMapping, Source
from profiles.services.saved_mappings import NameTakenError, check_name_is_free


class ImportMappingSerializer(StrictModelSerializer[ImportMapping]):
    """No two of a source have one `name`. `folder` lies below the import folder of the installation; while
    `is_watching`, each new file in it is imported once. `watch_error` says why nothing comes of that.
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
        self.check_name(now("name"), now("source"))
        return data

    def check_name(self, name: str, source: Source) -> None:
        """Those of one name that are there from before can be changed in all else."""
        if self.instance is not None and (self.instance.name, self.instance.source_id) == (name, source.pk):
            return
        try:
            check_name_is_free(name, source.pk)
        except NameTakenError as error:
            raise serializers.ValidationError({"name": error.messages}) from error


class ImportMappingFilters(filters.FilterSet):
    source = filters.ModelChoiceFilter(to_field_name="key", queryset=Source.objects.all())
    is_watching = YesNoFilter()

    class Meta:
        model = ImportMapping
        fields = ("source", "is_watching")


class ImportedFileSerializer(serializers.ModelSerializer[ImportedFile]):
    """A file of the watched folder. `import` is null while it is not quiet yet, or where it could not be read, of which
    `error` says why; with both, it was read, and its import could not be started.
    """

    name = serializers.SerializerMethodField()
    error = serializers.SerializerMethodField()

    class Meta:
        model = ImportedFile
        fields = ("id", "name", "size", "modified_at", "seen_at", "error")
        read_only_fields = fields

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """`import` is a word of Python's, so it cannot be declared."""
        field = serializers.IntegerField(source="imported_id", read_only=True, allow_null=True)
        return {**super().get_fields(), "import": field}

    def get_name(self, file: ImportedFile) -> str:
        return masking_for(self.context["request"].user).sentence(file.name)

    def get_error(self, file: ImportedFile) -> str:
        return shown_reason(file.error, self.context["request"].user)


@route("import-mappings")
class ImportMappingViewSet(ManagingViewSet):
    """Saved mappings by key; what was imported by one stays when it is deleted."""

    queryset = ImportMapping.objects.select_related("source").order_by("key")
    serializer_class = ImportMappingSerializer
    filterset_class = ImportMappingFilters

    @extend_schema(responses=ImportedFileSerializer(many=True))
    @action(detail=True, filterset_class=None)
    def files(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """What became of the files of its watched folder, the latest first."""
        files = ImportedFile.objects.filter(saved_mapping=self.get_object()).order_by("-id")
        page = self.paginate_queryset(files) or []
        shown = ImportedFileSerializer(page, many=True, context=self.get_serializer_context())
        return self.get_paginated_response(shown.data)
