"""`segments/`: rules, who is in, and who came and went."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from cdp.api.feeds import FEED_PARAMETERS, FEED_QUERY, feed_page, feed_schema
from cdp.api.problems import PreviewTimedOut
from cdp.api.router import route
from cdp.api.runs import RunSerializer, accepted
from cdp.api.serializers import StrictSerializer
from profiles.api.rules import HolderSerializer, HolderViewSet, RuleJson
from profiles.refresh.queue import queue_full_refresh
from profiles.services.preview import PreviewTimeout, preview_rule
from segments.api.people import (
    MemberSerializer,
    MembershipChangeSerializer,
    SegmentsChangeSerializer,
    member_rows,
    segment_changes,
    show_change,
    show_change_of_any,
    show_member,
)
from segments.models import Segment
from segments.services import delete_segment, save_segment


class SegmentSerializer(HolderSerializer[Segment]):
    rule = RuleJson()

    class Meta:
        model = Segment
        fields = (
            "key", "name", "kind", "description", "rule", "version", "n_members", "refreshed_at", "refresh_error",
            "created_at",
        )  # fmt: skip
        read_only_fields = ("n_members", "refreshed_at", "refresh_error", "created_at")

    def create(self, validated_data: dict[str, Any]) -> Segment:
        segment = Segment(**validated_data)
        save_segment(segment, user=self.context["request"].user)
        return segment

    def update(self, instance: Segment, validated_data: dict[str, Any]) -> Segment:
        version = validated_data.pop("rule_version", None)
        for name, value in validated_data.items():
            setattr(instance, name, value)
        save_segment(instance, user=self.context["request"].user, expected_version=version)
        return instance


class PreviewSerializer(StrictSerializer):
    rule = serializers.JSONField()


class PreviewAnswerSerializer(serializers.Serializer[Any]):
    """How many profiles the rule finds, exactly, and the ids of a few."""

    count = serializers.IntegerField()
    sample = serializers.ListField(child=serializers.UUIDField())


class SegmentFilters(filters.FilterSet):
    class Meta:
        model = Segment
        fields = ("kind",)


@route("segments")
class SegmentViewSet(HolderViewSet):
    """Segments by key. A changed rule is refreshed at once, in full."""

    queryset = Segment.objects.order_by("key")
    serializer_class = SegmentSerializer
    filterset_class = SegmentFilters
    reading_actions = frozenset({"preview"})
    action_permissions = {
        # Whoever may ask any rule could guess personal values letter by letter, so this is for those who write rules.
        "preview": ("segments.add_segment",),
        "refresh": ("segments.change_segment",),
        "members": ("segments.view_membership",),
        "changes": ("segments.view_membershipchange",),
        "all_changes": ("segments.view_membershipchange",),
    }

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
        run = queue_full_refresh(f"segment:{segment.key}", user=request.user)  # type: ignore[arg-type]
        return accepted(run, request)

    @extend_schema(responses=MemberSerializer(many=True))
    @action(detail=True, filterset_class=None)
    def members(self, request: Request, key: str) -> Response:
        """Who is in, and since when."""
        page = self.paginate_queryset(member_rows(self._id(key))) or []
        return self.get_paginated_response([show_member(row) for row in page])

    @extend_schema(parameters=FEED_PARAMETERS, responses=feed_schema("SegmentFeed", MembershipChangeSerializer()))
    @action(detail=True, pagination_class=None, filterset_class=None, query_parameters=FEED_QUERY)
    def changes(self, request: Request, key: str) -> Response:
        """Who came and went, in order."""
        return feed_page(segment_changes().filter(segment=self._id(key)), request, show_change)

    @extend_schema(
        operation_id="segments_all_changes",
        parameters=FEED_PARAMETERS,
        responses=feed_schema("SegmentsFeed", SegmentsChangeSerializer()),
    )
    @action(detail=False, url_path="changes", pagination_class=None, filterset_class=None, query_parameters=FEED_QUERY)
    def all_changes(self, request: Request) -> Response:
        """Who came and went, of all segments in one feed."""
        return feed_page(segment_changes(), request, show_change_of_any)

    def _id(self, key: str) -> int:
        return get_object_or_404(Segment.objects.only("pk"), key=key).pk
