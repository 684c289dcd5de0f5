"""`segments/`: rules, who is in, and who came and went."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from cdp.api.bodies import FileNegotiation
from cdp.api.feeds import FEED_PARAMETERS, FEED_QUERY, feed_page, feed_schema
from cdp.api.filters import YesNoFilter
from cdp.api.problems import Conflict, Gone, PreviewTimedOut
from cdp.api.router import route
from cdp.api.runs import RunSerializer, accepted
from cdp.api.serializers import MomentField, StrictSerializer
from cdp.api.viewsets import KEY_PATTERN
from cdp.by_day import with_sizes
from cdp.keys import is_called
from cdp.models import User
from cdp.rules.causes import Cause
from profiles.api.chosen import ChosenSerializer
from profiles.api.rules import HolderSerializer, HolderViewSet, RuleJson, conflicts
from profiles.refresh.queue import queue_full_refresh
from profiles.services.export import CONTENT_TYPES, FileFormat, FormatMissing
from profiles.services.preview import PreviewTimeout, preview_rule
from segments.api.alerts import AlertActions
from segments.api.bulk import BulkActions
from segments.api.overlap import OverlapActions
from segments.api.people import (
    MemberSerializer,
    MembershipChangeSerializer,
    SegmentDaySerializer,
    SegmentsChangeSerializer,
    member_rows,
    member_rows_as_of,
    show_member,
)
from segments.api.portrait import PortraitActions
from segments.downloads import members_response
from segments.feeds import SEGMENTS
from segments.models import Segment, SegmentDay
from segments.services import (
    add_members,
    archive_segment,
    delete_segment,
    duplicate_segment,
    remove_members,
    restore_segment,
    restore_segment_rule,
    save_segment,
)
from segments.services.sizes import recent_alerts


class SegmentSerializer(HolderSerializer[Segment]):
    """A segment by its rule (`dynamic`), by hand and by imports (`static`), which has none, or of those who matched the
    rule as it was made (`snapshot`), whose `refreshed_at` says when it was frozen. With `alert_percent` a change of its
    size within a day by more than this share is noted in `alerts/`, and its owner is told; null: no change is.
    """

    fixed = ("key", "kind")
    rule = RuleJson(allow_null=True, required=False)
    owner = serializers.SlugRelatedField(
        slug_field="username", queryset=User.objects.filter(is_active=True), allow_null=True, required=False
    )

    class Meta:
        model = Segment
        fields = (
            "key", "name", "kind", "category", "owner", "description", "alert_percent", "rule", "version",
            "n_members", "refreshed_at", "refresh_error", "created_at", "archived_at",
        )  # fmt: skip
        read_only_fields = ("n_members", "refreshed_at", "refresh_error", "created_at", "archived_at")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        kind = self.instance.kind if self.instance is not None else attrs.get("kind", Segment.Kind.DYNAMIC)
        is_new = self.instance is None
        if kind != Segment.Kind.STATIC and (is_new or "rule" in attrs) and attrs.get("rule") is None:
            raise serializers.ValidationError({"rule": [_("A segment by rule needs one.")]})
        return attrs

    def create(self, validated_data: dict[str, Any]) -> Segment:
        segment = Segment(**validated_data)
        save_segment(segment, user=self.context["request"].user)
        return segment

    def update(self, instance: Segment, validated_data: dict[str, Any]) -> Segment:
        version = validated_data.pop("rule_version", None)
        for name, value in validated_data.items():
            setattr(instance, name, value)
        user = self.context["request"].user
        save_segment(instance, user=user, expected_version=version, changed=validated_data.keys())
        return instance


class PreviewSerializer(StrictSerializer):
    rule = RuleJson()


class PreviewAnswerSerializer(serializers.Serializer[Any]):
    """How many profiles the rule finds, exactly, and the ids of a few."""

    count = serializers.IntegerField()
    sample = serializers.ListField(child=serializers.UUIDField())


class ChangedSerializer(serializers.Serializer[Any]):
    """Numbers of people whom the call changed, and whom it found so already; and who is unknown, as they were named."""

    unchanged = serializers.IntegerField()
    unknown = serializers.ListField(child=serializers.JSONField())


class AddedSerializer(ChangedSerializer):
    added = serializers.IntegerField()


class RemovedSerializer(ChangedSerializer):
    removed = serializers.IntegerField()


class DuplicateSerializer(StrictSerializer):
    """What the copy is called. `kind` may be `snapshot`: who is in now, frozen; absent, the copy is as the original."""

    key = serializers.RegexField(rf"^{KEY_PATTERN}\Z", max_length=50)
    name = serializers.CharField(max_length=100)
    kind = serializers.ChoiceField([Segment.Kind.SNAPSHOT.value], required=False)


class SegmentFilters(filters.FilterSet):
    """`archived`: `true` for the archive alone; absent, those in use. `open_alert`: `true` for those with an alert of
    their size that nobody has seen to and that is not over. `search` looks into key, name, category and description.
    """

    owner = filters.CharFilter(field_name="owner__username")
    archived = YesNoFilter(field_name="archived_at", method="keep")
    open_alert = YesNoFilter(method="keep_alarming")
    search = filters.CharFilter(method="keep_found")

    class Meta:
        model = Segment
        fields = ("kind", "category")

    def keep(self, segments: QuerySet[Segment], name: str, archived: bool) -> QuerySet[Segment]:
        return segments.filter(archived_at__isnull=not archived)

    def keep_alarming(self, segments: QuerySet[Segment], name: str, is_wanted: bool) -> QuerySet[Segment]:
        alarming = Q(Exists(recent_alerts(now=timezone.now()).filter(segment=OuterRef("pk"))))
        return segments.filter(alarming if is_wanted else ~alarming)

    def keep_found(self, segments: QuerySet[Segment], name: str, term: str) -> QuerySet[Segment]:
        return segments.filter(is_called(term) | Q(category__icontains=term) | Q(description__icontains=term))


@route("segments")
class SegmentViewSet(AlertActions, BulkActions, OverlapActions, PortraitActions, HolderViewSet):
    """Segments by key. A changed rule is refreshed at once, in full."""

    queryset = Segment.objects.select_related("owner").order_by("key")
    serializer_class = SegmentSerializer
    filterset_class = SegmentFilters
    reading_actions = frozenset({"preview"})
    holder_prefix = "segment"
    deleting_bodies = {"profiles": ChosenSerializer}
    action_permissions = {
        "restore": ("segments.change_segment",),
        # Whoever may ask any rule could guess personal values letter by letter, so this is for those who write rules.
        "preview": ("segments.add_segment",),
        "refresh": ("segments.change_segment",),
        "duplicate": ("segments.add_segment",),
        "archive": ("segments.change_segment",),
        "see_alert": ("segments.change_segment",),
        "profiles:POST": ("segments.add_membership",),
        "profiles:DELETE": ("segments.delete_membership",),
        "bulk:GET": ("segments.view_membership",),
        "bulk:POST": ("segments.add_membership",),
        "undo_bulk": ("segments.delete_membership",),
        "members": ("segments.view_membership",),
        "overlap": ("segments.view_membership",),
        "export": ("segments.view_membership", "profiles.view_profile"),
        "breakdown": ("segments.view_membership",),
        "changes": ("segments.view_membershipchange",),
        "all_changes": ("segments.view_membershipchange",),
    }

    def get_queryset(self) -> QuerySet[Segment]:
        segments: QuerySet[Segment] = super().get_queryset()
        is_list_of_used = self.action == "list" and not self.request.query_params.get("archived")
        return segments.filter(archived_at__isnull=True) if is_list_of_used else segments

    def restore_rules(self, thing: Any, version: int, user: User) -> None:
        restore_segment_rule(thing, version, user=user)

    def perform_destroy(self, instance: Segment) -> None:
        delete_segment(instance)

    @extend_schema(request=PreviewSerializer, responses=PreviewAnswerSerializer)
    @action(detail=False, methods=["post"], pagination_class=None, filterset_class=None)
    def preview(self, request: Request) -> Response:
        """Count whom a rule finds, without saving it."""
        body = PreviewSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        try:
            found = preview_rule(body.validated_data["rule"], now=timezone.now())
        except PreviewTimeout as error:
            raise PreviewTimedOut(str(error)) from error
        return Response({"count": found.count, "sample": found.sample})

    @extend_schema(request=None, responses={202: RunSerializer})
    @action(detail=True, methods=["post"])
    def refresh(self, request: Request, key: str) -> Response:
        """Judge everybody anew; answers with the run that does it."""
        segment = self.get_object()
        if segment.kind != Segment.Kind.DYNAMIC:
            raise Conflict(_("“%s” is not filled by a rule: there is nothing to judge by.") % segment.key)
        if segment.archived_at is not None:
            raise Conflict(_("“%s” is archived: restore it first.") % segment.key)
        run = queue_full_refresh(f"segment:{segment.key}", user=request.user, cause=Cause.CORRECTION)  # type: ignore[arg-type]
        return accepted(run, request)

    @extend_schema(request=DuplicateSerializer, responses={201: SegmentSerializer})
    @action(detail=True, methods=["post"])
    def duplicate(self, request: Request, key: str) -> Response:
        """Make another segment like this one. Members of one that is not by rule come by a run."""
        segment = self.get_object()
        body = DuplicateSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        user: User = request.user  # type: ignore[assignment]
        as_snapshot = given.get("kind") == Segment.Kind.SNAPSHOT
        with conflicts():
            copy = duplicate_segment(segment, key=given["key"], name=given["name"], user=user, as_snapshot=as_snapshot)
        return Response(self.get_serializer(copy).data, status=201)

    @extend_schema(methods=["POST"], request=None, responses=SegmentSerializer)
    @extend_schema(
        methods=["DELETE"],
        description="Take it out of the archive; one by rule is refreshed in full.",
        responses={200: SegmentSerializer},
    )
    @action(detail=True, methods=["post", "delete"], pagination_class=None, filterset_class=None)
    def archive(self, request: Request, key: str) -> Response:
        """Take it out of use: it keeps its members and its feed, and is not refreshed."""
        segment = self.get_object()
        user: User = request.user  # type: ignore[assignment]
        with conflicts():
            if request.method == "POST":
                archive_segment(segment, user=user, now=timezone.now())
            else:
                restore_segment(segment, user=user)
        return Response(self.get_serializer(segment).data)

    @extend_schema(methods=["POST"], request=ChosenSerializer, responses=AddedSerializer)
    @extend_schema(
        methods=["DELETE"],
        description="Take people out of a static segment. The body names them, as for POST.",
        responses={200: RemovedSerializer},
    )
    @action(detail=True, methods=["post", "delete"], pagination_class=None, filterset_class=None)
    def profiles(self, request: Request, key: str) -> Response:
        """Put people into a static segment, and take them out by DELETE."""
        body = ChosenSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        segment = self.by_hand()
        chosen, now = body.chosen(), timezone.now()
        if request.method == "POST":
            user: User = request.user  # type: ignore[assignment]
            added = add_members(segment, chosen.profile_ids, user=user, now=now)
            return Response({"added": added.added, "unchanged": added.unchanged, "unknown": chosen.unknown})
        removed = remove_members(segment, chosen.profile_ids, now=now)
        return Response({"removed": removed.removed, "unchanged": removed.unchanged, "unknown": chosen.unknown})

    @extend_schema(
        parameters=[OpenApiParameter("as_of", datetime, description="Who was in at that time; absent: now.")],
        responses=MemberSerializer(many=True),
    )
    @action(detail=True, filterset_class=None, query_parameters=("as_of",))
    def members(self, request: Request, key: str) -> Response:
        """Who is in, and since when; or who was, at a moment."""
        segment_id, as_of = self._id(key), moment_of(request)
        if as_of is not None and (since := SEGMENTS.complete_since()) is not None and as_of < since:
            raise Gone(_("What was before %s is no longer kept.") % since.isoformat())
        rows = member_rows(segment_id) if as_of is None else member_rows_as_of(segment_id, as_of)
        page = self.paginate_queryset(rows) or []
        return self.get_paginated_response([show_member(row) for row in page])

    @extend_schema(
        parameters=[OpenApiParameter("format", str, enum=FileFormat.values, description="`csv` where it is absent.")],
        responses={(200, kind.partition(";")[0]): OpenApiTypes.BINARY for kind in CONTENT_TYPES.values()},
    )
    @action(
        detail=True,
        pagination_class=None,
        filterset_class=None,
        query_parameters=("format",),
        content_negotiation_class=FileNegotiation,
    )
    def export(self, request: Request, key: str) -> StreamingHttpResponse:
        """The members as a file, with their identifiers and attributes, streamed."""
        segment, asked = self.get_object(), request.query_params.get("format", FileFormat.CSV.value)
        if asked not in FileFormat.values:
            raise serializers.ValidationError({"format": [_("one of: %s") % ", ".join(FileFormat.values)]})
        try:
            return members_response(segment, file_format=FileFormat(asked), user=request.user)  # type: ignore[arg-type]
        except FormatMissing as error:
            raise serializers.ValidationError({"format": [str(error)]}) from error

    @extend_schema(responses=SegmentDaySerializer(many=True))
    @action(detail=True, filterset_class=None)
    def sizes(self, request: Request, key: str) -> Response:
        """Its size by business day, the latest first; days on which nobody came or went are left out. Counted every ten
        minutes from the entries and exits: the size now is `n_members` of the segment.
        """
        page = self.paginate_queryset(with_sizes(SegmentDay.objects.filter(segment=self._id(key)), "segment")) or []
        return self.get_paginated_response(SegmentDaySerializer(page, many=True).data)

    @extend_schema(parameters=FEED_PARAMETERS, responses=feed_schema("SegmentFeed", MembershipChangeSerializer()))
    @action(detail=True, pagination_class=None, filterset_class=None, query_parameters=FEED_QUERY)
    def changes(self, request: Request, key: str) -> Response:
        """Who came and went, in order."""
        return feed_page(SEGMENTS, request, of={"segment": self._id(key)})

    @extend_schema(
        operation_id="segments_all_changes",
        parameters=FEED_PARAMETERS,
        responses=feed_schema("SegmentsFeed", SegmentsChangeSerializer()),
    )
    @action(detail=False, url_path="changes", pagination_class=None, filterset_class=None, query_parameters=FEED_QUERY)
    def all_changes(self, request: Request) -> Response:
        """Who came and went, of all segments in one feed."""
        return feed_page(SEGMENTS, request)

    def _id(self, key: str) -> int:
        return get_object_or_404(Segment.objects.only("pk"), key=key).pk


def moment_of(request: Request) -> datetime | None:
    """`?as_of=`: a time with its zone that has been; None where it is absent."""
    text = request.query_params.get("as_of")
    if text is None:
        return None
    try:
        at: datetime = MomentField().run_validation(text.replace(" ", "+"))  # a plus that was not escaped
    except serializers.ValidationError as error:
        raise serializers.ValidationError({"as_of": error.detail}) from error
    if at > timezone.now():
        raise serializers.ValidationError({"as_of": [_("lies in the future")]})
    return at
