"""`tags/{key}/bulk/`: a tag for many people at once, or off them, by a run that can be taken back."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone
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
from cdp.api.serializers import MomentField
from cdp.models import User
from profiles.api.many import DoneSerializer, ManySerializer, UndoSerializer, latest_first
from tags.models import BulkTagging, Tag
from tags.services.bulk import queue_bulk, queue_undo


class BulkSerializer(ManySerializer):
    """What to do, and for whom: exactly one of `profiles`, `identifiers`, `segment` (its key) and `rule`.

    `value` and `expires_at` as for assignments; to remove, a `value` means those who carry it. Meant are the people of
    now.
    """

    action = serializers.ChoiceField(BulkTagging.Action.choices)
    value = serializers.CharField(allow_null=True, required=False, default=None)
    expires_at = MomentField(allow_null=True, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        super().validate(attrs)
        if attrs["action"] == BulkTagging.Action.REMOVE and attrs.get("expires_at"):
            raise serializers.ValidationError({"expires_at": [_("what is removed has no end")]})
        return attrs


class BulkTaggingSerializer(DoneSerializer):
    """What was asked for, its run, and the run that took it back; null: it was not.

    `value` stays when it is deleted, and then nothing can be taken back. `unknown` are those who were named
    and are nobody; null for who neither named them nor may see personal data.
    """

    action = serializers.ChoiceField(BulkTagging.Action.choices)
    value = serializers.SerializerMethodField(method_name="key_of_value")
    expires_at = serializers.DateTimeField(allow_null=True)

    def key_of_value(self, bulk: BulkTagging) -> str | None:
        return bulk.value.key if bulk.value else bulk.value_key or None


class BulkActions(GenericViewSet[Any]):
    """Mixed into the endpoints of tags."""

    by_hand: Any
    value_of: Any

    @extend_schema(methods=["GET"], responses=BulkTaggingSerializer(many=True))
    @extend_schema(methods=["POST"], request=BulkSerializer, responses={202: RunSerializer})
    @action(detail=True, methods=["get", "post"], filterset_class=None)
    def bulk(self, request: Request, key: str) -> Response:
        """Put the tag on many people, or take it off, by a run; GET what was asked for, the latest first."""
        if request.method == "GET":
            bulks = BulkTagging.objects.filter(tag=self.get_object()).select_related("value")
            page = self.paginate_queryset(latest_first(bulks)) or []
            shown = BulkTaggingSerializer(page, many=True, context=self.get_serializer_context())
            return self.get_paginated_response(shown.data)
        tag: Tag = self.by_hand()
        body = BulkSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        asked, user, now = body.validated_data, request.user, timezone.now()
        # Whoever asks any rule could guess personal values letter by letter: it is for those who write rules.
        if "rule" in asked and not user.has_perm("tags.add_tag"):
            raise PermissionDenied
        people, chosen_by, unknown = body.people()
        bulk = queue_bulk(
            tag,
            BulkTagging.Action(asked["action"]),
            people,
            value=self.value_of(tag, asked["value"]),
            expires_at=asked.get("expires_at", tag.end_of(now))
            if asked["action"] == BulkTagging.Action.ASSIGN
            else None,
            chosen_by=chosen_by,
            unknown=unknown,
            user=user,  # type: ignore[arg-type]
            now=now,
        )
        return accepted(bulk.run, request)

    @extend_schema(request=UndoSerializer, responses={202: RunSerializer})
    @action(detail=True, methods=["post"], url_path="bulk/undo")
    def undo_bulk(self, request: Request, key: str) -> Response:
        """Give everybody back what they carried before a run, but for those whose tag changed since. Twice is as once.
        409 while the run is under way.
        """
        tag = self.by_hand()
        body = UndoSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        bulk = BulkTagging.objects.defer("profile_ids").filter(tag=tag, run=body.validated_data["run"]).first()
        if bulk is None:
            raise serializers.ValidationError({"run": [_("no such run put this tag on many people, or took it off")]})
        user: User = request.user  # type: ignore[assignment]
        try:
            return accepted(queue_undo(bulk, user=user), request)
        except ValidationError as error:
            raise Conflict(" ".join(error.messages)) from error
