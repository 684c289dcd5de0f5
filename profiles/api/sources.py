"""`sources/`: where messages come from."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from cdp.api.choices import choices_sentence
from cdp.api.filters import YesNoFilter
from cdp.api.problems import Conflict
from cdp.api.router import route
from cdp.api.runs import accepted
from cdp.api.serializers import StrictModelSerializer, StrictSerializer
from cdp.api.viewsets import ManagingViewSet
from cdp.audit import write_secret_change
from cdp.models import Run
from profiles.api.definitions import FOLDED
from profiles.models import IdentifierKind, Source
from profiles.models.source import MAX_RANK
from profiles.services.definitions import save_source
from profiles.services.sources import SourceKeptError, delete_source, replace_write_key

WRITE_KEY_SEEN_BY = "profiles.change_source"
MAX_GRACE_HOURS = 30 * 24
KINDS = [kind for kind in Source.Kind.values if kind != Source.Kind.BUILT_IN]  # that may be chosen


class SourceSerializer(StrictModelSerializer[Source]):
    """The write key collects, so only those see it who may change the source, and nobody that of the built-in one.

    What becomes of what nobody planned: `unplanned_events`, `unplanned_attributes` and `schema_violations` are `allow`,
    `flag` (taken and counted) or `reject`. `oauth_public_keys` are RSA keys in PEM, `oauth_key_ids` what the SDK has to
    call them, in the same order; its client id is the source's key.
    """

    run: Run | None = None  # of the update, where values are folded again
    previous_id_kind = serializers.SlugRelatedField(
        slug_field="key", queryset=IdentifierKind.objects.all(), allow_null=True, required=False
    )
    oauth_key_ids = serializers.SerializerMethodField()
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
            "unplanned_events",
            "unplanned_attributes",
            "schema_violations",
            "is_enabled",
            "write_key",
            "oauth_public_keys",
            "oauth_key_ids",
            "created_at",
        )
        read_only_fields = ("write_key", "created_at")
        extra_kwargs = {"kind": {"error_messages": {"invalid_choice": choices_sentence(KINDS, "{input}", "{}")}}}

    def validate_kind(self, kind: str) -> str:
        if kind == Source.Kind.BUILT_IN:
            raise serializers.ValidationError(_("is Strata's own; choose another"))
        return kind

    def get_oauth_key_ids(self, source: Source) -> list[str]:
        return list(source.oauth_keys)

    def save_edited(self, edited: Source, *, changed: Collection[str]) -> None:
        self.run = save_source(edited, user=self.context["request"].user, changed=changed)

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


class WriteKeySerializer(StrictSerializer):
    grace_hours = serializers.IntegerField(min_value=0, max_value=MAX_GRACE_HOURS, default=24)


@route("sources")
class SourceViewSet(ManagingViewSet):
    """Sources by key. One that has sent data is switched off, not deleted."""

    queryset = Source.objects.select_related("previous_id_kind").order_by("key")
    serializer_class = SourceSerializer
    filterset_class = SourceFilters
    action_permissions = {"write_key": (WRITE_KEY_SEEN_BY,)}

    @extend_schema(responses={200: SourceSerializer, 202: FOLDED})
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Another rank folds all values again: the answer is 202 with the run that does."""
        source = self.get_object()
        if source.kind == Source.Kind.BUILT_IN:
            raise Conflict(_("The built-in source is Strata's own."))
        serializer: Any = self.get_serializer(source, data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        serializer.save()
        return accepted(serializer.run, request) if serializer.run else Response(serializer.data)

    @extend_schema(request=WriteKeySerializer, responses=SourceSerializer)
    @action(detail=True, methods=["post"], url_path="write-key", pagination_class=None, filterset_class=None)
    def write_key(self, request: Request, key: str) -> Response:
        """Replace the write key; the old one is good for `grace_hours` longer. Answers with the source."""
        body = WriteKeySerializer(data=request.data)
        body.is_valid(raise_exception=True)
        grace = timedelta(hours=body.validated_data["grace_hours"])
        try:
            with transaction.atomic():
                source = replace_write_key(self.get_object(), grace=grace, now=timezone.now())
                write_secret_change(request.user, source, "write_key")  # type: ignore[arg-type]
        except SourceKeptError as error:
            raise Conflict(str(error)) from error
        return Response(self.get_serializer(source).data)

    def perform_destroy(self, instance: Source) -> None:
        try:
            delete_source(instance)
        except SourceKeptError as error:
            raise Conflict(str(error)) from error
