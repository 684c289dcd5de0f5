"""Many people chosen in a body, and what was done with them by a run that can be taken back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import F, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework import serializers

from cdp.api.problems import PreviewTimedOut
from cdp.api.runs import RunSerializer
from cdp.api.serializers import StrictSerializer
from cdp.disclosure import may_see_pii
from profiles.api.chosen import ChosenSerializer
from profiles.api.rules import RuleJson
from profiles.services.preview import PreviewTimeout, people_of_rule

WAYS = ("profiles", "identifiers", "segment", "rule")


class ManySerializer(ChosenSerializer):
    """Exactly one of `profiles`, `identifiers`, `segment` (its key) and `rule`. Meant are the people of now."""

    segment = serializers.SlugField(max_length=50, required=False)
    rule = RuleJson(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if sum(way in attrs for way in WAYS) != 1:
            raise serializers.ValidationError(_("name one of: %s") % ", ".join(WAYS))
        return attrs

    def people(self) -> tuple[list[int], str, Sequence[Any]]:
        """Who is meant, by which words, and the named that nobody is. Raises RuleError and PreviewTimedOut."""
        asked = self.validated_data
        try:
            if "segment" in asked:
                rule = {"op": "segment", "key": asked["segment"]}
                return people_of_rule(rule, now=timezone.now()), _("segment %(key)s") % {"key": asked["segment"]}, ()
            if "rule" in asked:
                return people_of_rule(asked["rule"], now=timezone.now()), _("a rule"), ()
        except PreviewTimeout as error:
            raise PreviewTimedOut(str(error)) from error
        chosen = self.chosen()
        return chosen.profile_ids, _("a list over the API"), [as_named(each) for each in chosen.unknown]


def as_named(named: Any) -> Any:
    """A public id, or an identifier, as JSON."""
    return dict(named) if isinstance(named, dict) else str(named)


class UndoSerializer(StrictSerializer):
    """The run to take back, by its id."""

    run = serializers.IntegerField(min_value=1, max_value=2**31 - 1)


class DoneSerializer(serializers.Serializer[Any]):
    """What was asked for, its run, and the run that took it back; null: it was not.

    `unknown` are those who were named and are nobody; null for who neither named them nor may see personal data.
    """

    chosen_by = serializers.CharField()
    n_people = serializers.IntegerField()
    n_unknown = serializers.SerializerMethodField()
    unknown = serializers.SerializerMethodField()
    run = RunSerializer()
    undo = RunSerializer(source="undo_run", allow_null=True)

    def get_n_unknown(self, bulk: Any) -> int:
        return len(bulk.unknown)

    def get_unknown(self, bulk: Any) -> list[Any] | None:
        user = self.context["request"].user
        return bulk.unknown if bulk.run.user_id == user.pk or may_see_pii(user) else None


def latest_first(bulks: QuerySet[Any]) -> QuerySet[Any]:
    """As DoneSerializer shows them, without the ids of the people, which may be a million."""
    rows: QuerySet[Any] = bulks.select_related("run__user", "undo_run__user").defer("profile_ids")
    counted: QuerySet[Any] = rows.annotate(n_people=F("profile_ids__len"))
    return counted.order_by("-pk")
