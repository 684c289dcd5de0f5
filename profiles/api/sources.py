"""`sources/`: where messages come from."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from rest_framework import serializers

from cdp.api.filters import YesNoFilter
from cdp.api.problems import Conflict
from cdp.api.router import route
from cdp.api.serializers import StrictModelSerializer
from cdp.api.viewsets import ManagingViewSet
from profiles.models import IdentifierKind, Source
from profiles.models.source import MAX_RANK
from profiles.services.sources import SourceKeptError, delete_source

WRITE_KEY_SEEN_BY = "profiles.change_source"
KINDS = [choice for choice in Source.Kind.choices if choice[0] != Source.Kind.BUILT_IN]


class SourceSerializer(StrictModelSerializer[Source]):
    """The write key collects, so only those see it who may change the source, and nobody that of the built-in one.

    Key and rank stay as they were made: what was folded by them is not folded again.
    """

    fixed = ("key", "rank")
    previous_id_kind = serializers.SlugRelatedField(
        slug_field="key", queryset=IdentifierKind.objects.all(), allow_null=True, required=False
    )
    rank = serializers.IntegerField(min_value=0, max_value=MAX_RANK - 1, default=100)

    class Meta:
        model = Source
        fields = (
            "key",
            "name",
            "kind",
            "rank",
            "default_region",
            "previous_id_kind",
            "max_messages_per_second",
            "is_enabled",
            "write_key",
            "created_at",
        )
        read_only_fields = ("write_key", "created_at")

    def validate_kind(self, kind: str) -> str:
        if kind == Source.Kind.BUILT_IN:
            raise serializers.ValidationError(_("is Strata's own; choose another"))
        return kind

    def to_representation(self, source: Source) -> dict[str, Any]:
        shown = super().to_representation(source)
        if source.kind == Source.Kind.BUILT_IN or not self.context["request"].user.has_perm(WRITE_KEY_SEEN_BY):
            del shown["write_key"]
        return shown


class SourceFilters(filters.FilterSet):
    is_enabled = YesNoFilter()

    class Meta:
        model = Source
        fields = ("kind", "is_enabled")


@route("sources")
class SourceViewSet(ManagingViewSet):
    """Sources by key. One that has sent data is switched off, not deleted."""

    queryset = Source.objects.select_related("previous_id_kind").order_by("key")
    serializer_class = SourceSerializer
    filterset_class = SourceFilters

    def perform_update(self, serializer: serializers.BaseSerializer[Source]) -> None:
        source = serializer.instance
        if source is not None and source.kind == Source.Kind.BUILT_IN:
            raise Conflict(_("The built-in source is Strata's own."))
        serializer.save()

    def perform_destroy(self, instance: Source) -> None:
        try:
            delete_source(instance)
        except SourceKeptError as error:
            raise Conflict(str(error)) from error
