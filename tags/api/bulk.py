"""`tags/{key}/bulk/`: a tag for many people at once, or off them, by a run that can be taken back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import F, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from cdp.api.problems import Conflict, PreviewTimedOut
from cdp.api.runs import RunSerializer, accepted
from cdp.api.serializers import MomentField, StrictSerializer
from cdp.disclosure import may_see_pii
from cdp.models import User
from profiles.api.chosen import ChosenSerializer
from profiles.api.rules import RuleJson
from profiles.services.preview import PreviewTimeout, people_of_rule
from tags.models import BulkTagging, Tag
from tags.services.bulk import queue_bulk, queue_undo

WAYS = ("profiles", "identifiers", "segment", "rule")


class BulkSerializer(ChosenSerializer):
    """What to do, and for whom: exactly one of `profiles`, `identifiers`, `segment` (its key) and `rule`.

    `value` and `expires_at` as for assignments; to remove, a `value` means those who carry it. Meant are the people of
    now.
    """

    action = serializers.ChoiceField(BulkTagging.Action.choices)
    segment = serializers.SlugField(max_length=50, required=False)
    rule = RuleJson(required=False)
    value = serializers.CharField(allow_null=True, required=False, default=None)
    expires_at = MomentField(allow_null=True, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if sum(way in attrs for way in WAYS) != 1:
            raise serializers.ValidationError(_("name one of: %s") % ", ".join(WAYS))
        if attrs["action"] == BulkTagging.Action.REMOVE and attrs.get("expires_at"):
            raise serializers.ValidationError({"expires_at": [_("what is removed has no end")]})
        return attrs

    def people(self) -> tuple[list[int], str, Sequence[Any]]:
        """Who is meant, by which words, and the named that nobody is. Raises RuleError and PreviewTimeout."""
        asked = self.validated_data
        if "segment" in asked:
            rule = {"op": "segment", "key": asked["segment"]}
            return people_of_rule(rule, now=timezone.now()), _("segment %(key)s") % {"key": asked["segment"]}, ()
        if "rule" in asked:
            return people_of_rule(asked["rule"], now=timezone.now()), _("a rule"), ()
        chosen = self.chosen()
        return chosen.profile_ids, _("a list over the API"), [as_named(each) for each in chosen.unknown]


def as_named(named: Any) -> Any:
    """A public id, or an identifier, as JSON."""
    return dict(named) if isinstance(named, dict) else str(named)


class UndoBulkSerializer(StrictSerializer):
    """The run to take back, by its id."""

    run = serializers.IntegerField(min_value=1, max_value=2**31 - 1)


class BulkTaggingSerializer(serializers.ModelSerializer[BulkTagging]):
    """What was asked for, its run, and the run that took it back; null: it was not.

    `value` stays when it is deleted, and then nothing can be taken back. `unknown` are those who were named
    and are nobody; null for who neither named them nor may see personal data.
    """

    run = RunSerializer()
    undo = RunSerializer(source="undo_run", allow_null=True)
    value = serializers.SerializerMethodField(method_name="key_of_value")
    n_people = serializers.IntegerField()
    n_unknown = serializers.SerializerMethodField()
    unknown = serializers.SerializerMethodField()

    class Meta:
        model = BulkTagging
        fields = ("action", "value", "expires_at", "chosen_by", "n_people", "n_unknown", "unknown", "run", "undo")

    def key_of_value(self, bulk: BulkTagging) -> str | None:
        return bulk.value.key if bulk.value else bulk.value_key or None

    def get_n_unknown(self, bulk: BulkTagging) -> int:
        return len(bulk.unknown)

    def get_unknown(self, bulk: BulkTagging) -> list[Any] | None:
        user = self.context["request"].user
        return bulk.unknown if bulk.run.user_id == user.pk or may_see_pii(user) else None


def bulks_of(tag: Tag) -> QuerySet[BulkTagging, Any]:
    """The latest first, without the ids of the people, which may be a million."""
    rows = BulkTagging.objects.filter(tag=tag).select_related("run__user", "undo_run__user", "value")
    return rows.defer("profile_ids").annotate(n_people=F("profile_ids__len")).order_by("-pk")


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
            page = self.paginate_queryset(bulks_of(self.get_object())) or []
            shown = BulkTaggingSerializer(page, many=True, context=self.get_serializer_context())
            return self.get_paginated_response(shown.data)
        tag: Tag = self.by_hand()
        body = BulkSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        asked, user, now = body.validated_data, request.user, timezone.now()
        # Whoever asks any rule could guess personal values letter by letter: it is for those who write rules.
        if "rule" in asked and not user.has_perm("tags.add_tag"):
            raise PermissionDenied
        try:
            people, chosen_by, unknown = body.people()
        except PreviewTimeout as error:
            raise PreviewTimedOut(str(error)) from error
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

    @extend_schema(request=UndoBulkSerializer, responses={202: RunSerializer})
    @action(detail=True, methods=["post"], url_path="bulk/undo")
    def undo_bulk(self, request: Request, key: str) -> Response:
        """Give everybody back what they carried before a run, but for those whose tag changed since. Twice is as once.
        409 while the run is under way.
        """
        tag = self.by_hand()
        body = UndoBulkSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        bulk = BulkTagging.objects.defer("profile_ids").filter(tag=tag, run=body.validated_data["run"]).first()
        if bulk is None:
            raise serializers.ValidationError({"run": [_("no such run tagged many with this tag")]})
        user: User = request.user  # type: ignore[assignment]
        try:
            return accepted(queue_undo(bulk, user=user), request)
        except ValidationError as error:
            raise Conflict(" ".join(error.messages)) from error
