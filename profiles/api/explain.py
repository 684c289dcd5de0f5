"""`profiles/{id}/explain/`: why a person is in a segment, carries a tag, stands in a tier, or does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import exceptions, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from cdp.rules.causes import Cause
from profiles.explainables import Explainable, Filled, Standing, Turn, all_explainables
from profiles.masking import Masking, masking_for
from profiles.models import Profile
from profiles.rule_reading import Shown, failure, show
from profiles.services.explain import ExplainTimeout, Explanation, Verdict, explain

PARAMETERS = ("segment", "tag", "tier_scheme")


class ExplainTimedOut(exceptions.APIException):
    """The person has too many events for this rule."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_code = "explain-timeout"
    default_detail = _("To explain this takes too long.")


class FactSerializer(serializers.Serializer[Any]):
    """Something found of the person: a sentence, the value in it, and when it happened."""

    text = serializers.CharField()
    value = serializers.JSONField(allow_null=True)
    at = serializers.DateTimeField(allow_null=True)


class NodeSerializer(serializers.Serializer[Any]):
    """A node of a rule: the JSON of the rule, and beside it what came out. A group holds such nodes."""

    matched = serializers.BooleanField()
    says = serializers.CharField()
    facts = FactSerializer(many=True, required=False, help_text="Of a condition.")
    op = serializers.CharField(required=False, help_text="Of a condition, with its parameters.")
    all = serializers.ListField(required=False, help_text="Nodes.")
    any = serializers.ListField(required=False, help_text="Nodes.")


class OutcomeSerializer(serializers.Serializer[Any]):
    """A value of a tag, or a tier, in the order in which they are judged."""

    key = serializers.CharField()
    name = serializers.CharField()
    matched = serializers.BooleanField()
    rule = NodeSerializer(allow_null=True, help_text="Null: it takes everybody who is left.")
    error = serializers.CharField(help_text="Why the rule fails; empty where it does not.")


class StandingOfProfileSerializer(serializers.Serializer[Any]):
    """What is written of the person."""

    outcome = serializers.CharField(allow_null=True, help_text="The value or the tier; null where there is but one.")
    since = serializers.DateTimeField()
    until = serializers.DateTimeField(allow_null=True)
    by = serializers.ChoiceField(["rule", "hand", "import"])


class TurnSerializer(serializers.Serializer[Any]):
    """One entry, exit or move."""

    change = serializers.ChoiceField(["entered", "left", "moved"])
    before = serializers.CharField(allow_null=True)
    after = serializers.CharField(allow_null=True)
    cause = serializers.ChoiceField(Cause.choices)
    at = serializers.DateTimeField()


class DifferenceSerializer(serializers.Serializer[Any]):
    """Why rule and standing may differ."""

    code = serializers.CharField()
    reason = serializers.CharField()


class AboutSerializer(serializers.Serializer[Any]):
    """What the answer is about."""

    kind = serializers.ChoiceField(PARAMETERS)
    key = serializers.CharField()
    name = serializers.CharField()


class ExplanationSerializer(NodeSerializer):
    """The tree of the rule, and what is written. Of a tag with values or a tier scheme there are many rules instead, in
    `values` or `tiers`; `matched` is then whether any matches, and `chosen` the first that does.
    """

    matched = serializers.BooleanField(allow_null=True, help_text="Null: there is no rule.")
    says = serializers.CharField(required=False)
    profile = serializers.UUIDField()
    about = AboutSerializer()
    at = serializers.DateTimeField(help_text="The moment for which the rules were judged.")
    error = serializers.CharField(help_text="Why the rule fails; empty where it does not.")
    chosen = serializers.CharField(allow_null=True, required=False)
    values = OutcomeSerializer(many=True, required=False)
    tiers = OutcomeSerializer(many=True, required=False)
    standing = StandingOfProfileSerializer(allow_null=True, help_text="Null: not in.")
    changes = TurnSerializer(many=True, help_text="The latest first.")
    difference = DifferenceSerializer(allow_null=True)


def asked_for(request: Request) -> tuple[Explainable, Filled]:
    """What the query asks about; it must name one thing, which this user may see. Raises an error of the API."""
    given = [(name, request.query_params[name]) for name in PARAMETERS if name in request.query_params]
    if len(given) != 1:
        raise exceptions.ValidationError(_("Name one of: %s.") % ", ".join(PARAMETERS))
    ((name, key),) = given
    kind = all_explainables()[name]
    if missing := [permission for permission in kind.permissions if not request.user.has_perm(permission)]:
        raise exceptions.PermissionDenied(_("This needs the permission %s.") % ", ".join(missing))
    filled = kind.find(key)
    if filled is None:
        raise exceptions.ValidationError({name: [_("Nothing has this key: %s.") % repr(key)]})
    return kind, filled


class ExplainActions:
    """What a viewset of profiles can explain."""

    permissions: dict[str, tuple[str, ...]] = {"explain": ("profiles.view_profile", "profiles.view_event")}

    @extend_schema(
        responses=ExplanationSerializer,
        parameters=[OpenApiParameter(name, OpenApiTypes.STR, description="Key.") for name in PARAMETERS],
    )
    @action(detail=True, pagination_class=None, filterset_class=None, query_parameters=PARAMETERS)
    def explain(self, request: Request, id: str) -> Response:
        """The tree of the rule of a `segment`, `tag` or `tier_scheme`, each node with `matched` and what was found."""
        profile: Profile = self._survivor(id)  # type: ignore[attr-defined]
        kind, filled = asked_for(request)
        try:
            found = explain(kind, filled, profile, now=timezone.now())
        except ExplainTimeout as error:
            raise ExplainTimedOut(str(error)) from error
        return Response(show_explanation(kind, found, masking_for(request.user)))


def show_explanation(kind: Explainable, found: Explanation, masking: Masking) -> dict[str, Any]:
    """As `ExplanationSerializer` has it."""
    single = found.verdicts[0] if [verdict.outcome.key for verdict in found.verdicts] == [""] else None
    shown = {
        "matched": found.chosen is not None if found.verdicts else None,
        "profile": found.profile.public_id,
        "about": {"kind": kind.parameter, "key": found.filled.key, "name": found.filled.name},
        "at": found.now,
        "error": _error(single, masking) if single else "",
        "standing": _show_standing(found.standing),
        "changes": [_show_turn(turn) for turn in found.turns],
        "difference": found.difference and {"code": found.difference.code, "reason": str(found.difference.reason)},
    }
    if single is not None:
        return {**(_tree(single, masking) or {}), **shown}
    if not found.verdicts:
        return shown
    outcomes = [
        {
            "key": verdict.outcome.key,
            "name": verdict.outcome.name,
            "matched": verdict.matched,
            "rule": _tree(verdict, masking),
            "error": _error(verdict, masking),
        }
        for verdict in found.verdicts
    ]
    return {**shown, "chosen": found.chosen, kind.parts: outcomes}


def _tree(verdict: Verdict, masking: Masking) -> dict[str, Any] | None:
    if verdict.judged is None:
        return None
    return _node(show(verdict.judged, masking), masking.rule(verdict.outcome.rule))


def _node(shown: Shown, rule: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON of a rule with what came out."""
    found: dict[str, Any] = {"matched": shown.matched, "says": shown.says}
    if not shown.group:
        return {**rule, **found, "facts": [vars(fact) for fact in shown.facts]}
    if shown.group == "not":
        return {"not": _node(shown.children[0], rule["not"]), **found}
    return {
        shown.group: [_node(child, inner) for child, inner in zip(shown.children, rule[shown.group], strict=True)],
        **found,
    }


def _error(verdict: Verdict, masking: Masking) -> str:
    return failure(verdict.error, masking) if verdict.error else ""


def _show_standing(standing: Standing | None) -> dict[str, Any] | None:
    return standing and {**standing._asdict(), "outcome": standing.outcome or None}


def _show_turn(turn: Turn) -> dict[str, Any]:
    return {"change": turn.change, **turn._asdict(), "before": turn.before or None, "after": turn.after or None}
