"""`segments/{key}/bulk/`: many people put into a segment by hand, by a run that can be taken back."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from cdp.api.problems import Conflict
from cdp.api.runs import RunSerializer, accepted
from cdp.models import User
from profiles.api.many import DoneSerializer, ManySerializer, UndoSerializer, latest_first
from segments.models import BulkJoining, Segment
from segments.services.joining import queue_joining, queue_taking_back


class BulkJoiningSerializer(DoneSerializer):
    """Who was put in, its run, and the run that took it back; null: it was not.

    `unknown` are those who were named and are nobody; null for who neither named them nor may see personal data.
    """


class BulkActions(GenericViewSet[Any]):
    """Mixed into the endpoints of segments."""

    @extend_schema(methods=["GET"], responses=BulkJoiningSerializer(many=True))
    @extend_schema(methods=["POST"], request=ManySerializer, responses={202: RunSerializer})
    @action(detail=True, methods=["get", "post"], filterset_class=None)
    def bulk(self, request: Request, key: str) -> Response:
        """Put many people in by a run; GET what was asked for, the latest first."""
        if request.method == "GET":
            page = self.paginate_queryset(latest_first(BulkJoining.objects.filter(segment=self.get_object()))) or []
            shown = BulkJoiningSerializer(page, many=True, context=self.get_serializer_context())
            return self.get_paginated_response(shown.data)
        body = ManySerializer(data=request.data)
        body.is_valid(raise_exception=True)
        segment = self.by_hand()
        user: User = request.user  # type: ignore[assignment]
        # Whoever asks any rule could guess personal values letter by letter: it is for those who write rules.
        if "rule" in body.validated_data and not user.has_perm("segments.add_segment"):
            raise PermissionDenied
        people, chosen_by, unknown = body.people()
        joining = queue_joining(segment, people, chosen_by=chosen_by, unknown=unknown, user=user)
        return accepted(joining.run, request)

    @extend_schema(request=UndoSerializer, responses={202: RunSerializer})
    @action(detail=True, methods=["post"], url_path="bulk/undo")
    def undo_bulk(self, request: Request, key: str) -> Response:
        """Take out again whom a run put in, but for those who were taken out and put in again since, and those whom
        another run names that was not taken back. Twice is as once. 409 while the run is under way.
        """
        body = UndoSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        segment = self.by_hand()
        runs = BulkJoining.objects.defer("profile_ids").filter(segment=segment, run=body.validated_data["run"])
        joining = runs.first()
        if joining is None:
            raise serializers.ValidationError({"run": [_("no such run put people into this segment")]})
        user: User = request.user  # type: ignore[assignment]
        try:
            return accepted(queue_taking_back(joining, user=user), request)
        except ValidationError as error:
            raise Conflict(" ".join(error.messages)) from error

    def by_hand(self) -> Segment:
        """The segment; Conflict where no hand fills it."""
        segment: Segment = self.get_object()
        if segment.kind != Segment.Kind.STATIC:
            raise Conflict(_("“%s” is not filled by hand.") % segment.key)
        if segment.archived_at is not None:
            raise Conflict(_("“%s” is archived: restore it first.") % segment.key)
        return segment
