"""`score`: what a scoring model says of somebody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Self

from django.db.models import Exists, F, OuterRef, Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from cdp.rules.base import Given, Operator, Param, register_operator
from cdp.rules.catalogue import Option, Wanted, add_catalogue
from cdp.rules.comparison import Comparison, read_comparison
from cdp.rules.errors import Wrong
from cdp.rules.face import Face
from cdp.rules.facts import Fact, Owner, ago
from cdp.rules.operands import JsonOperand
from cdp.rules.scope import Scope
from cdp.rules.shapes import NAME, Anything, NameOf, Text
from cdp.rules.sql import At
from cdp.values import in_words
from tags.models import Score
from tags.score_models import ScoreModel, score_models


def load_models(keys: Set[str]) -> Mapping[str, ScoreModel]:
    return {key: model for key, model in score_models().items() if key in keys}


def offer_models(wanted: Wanted) -> list[Option]:
    return wanted.among(option_of(model) for model in score_models().values())


def option_of(model: ScoreModel) -> Option:
    """A model with its fields, and the values of those that have few."""
    fields = [
        Option(
            key,
            str(field.label),
            hint=str(field.unit),
            type=field.type,
            options=tuple(Option(value, str(label), hint=value) for value, label in field.choices.items()),
        )
        for key, field in model.fields.items()
    ]
    return Option(model.key, str(model.label), options=tuple(fields))


add_catalogue("score", load_models, missing=gettext_lazy("there is no scoring model %(name)s"), offer=offer_models)


@register_operator
@dataclass(frozen=True)
class ScoreIs(Operator):
    """A field of a score, compared by the type that its model declares; somebody without the score misses it."""

    op: ClassVar = "score"
    face: ClassVar = Face(gettext_lazy("Score"), "speed", 7, typed_by="field", among={"field": "model"})
    params: ClassVar = {
        "model": Param(NameOf("score")),
        "field": Param(NAME),
        "is": Param(Text()),
        "value": Param(Anything(), required=False),
    }

    model: ScoreModel
    field: str
    comparison: Comparison

    @classmethod
    def build(cls, given: Given) -> Self | Wrong:
        model: ScoreModel = given.known["score"][given["model"]]
        if isinstance(wrong := _unknown_field(given), Wrong):
            return wrong
        comparison = read_comparison(given.params, model.fields[given["field"]].type, given.at)
        return comparison if isinstance(comparison, Wrong) else cls(model, given["field"], comparison)

    @classmethod
    def check(cls, given: Given) -> Wrong | None:
        return _unknown_field(given) if given.has("model", "field") else None

    def predicate(self, scope: Scope, now: datetime) -> Q:
        if self.comparison.is_denial:
            return ~self._scored(self.comparison.denied, scope, now)
        return self._scored(self.comparison, scope, now)

    def _scored(self, comparison: Comparison, scope: Scope, now: datetime) -> Q:
        operand = JsonOperand(At(F("values"), self.field), comparison.type)
        scores = Score.objects.filter(
            scope.on("profile_id"), Q(comparison.holds(operand, now)), profile_id=OuterRef("pk"), model=self.model.key
        )
        return Q(Exists(scores))

    def clock(self, after: datetime, until: datetime) -> None:
        """Scores are computed anew on their own schedule, and tell whom that changed."""

    @classmethod
    def evidence(cls, conditions: Sequence[Self], profile_id: int, now: datetime) -> list[list[Fact]]:
        """The fields of the scores."""
        scores = Score.objects.filter(profile=profile_id, model__in={each.model.key for each in conditions})
        by_model = {score.model: score for score in scores}
        return [[each._found(by_model.get(each.model.key), now)] for each in conditions]

    def _found(self, score: Score | None, now: datetime) -> Fact:
        if score is None:
            return Fact(gettext_lazy("no score of %(model)s"), {"model": self.model.label})
        value = score.values.get(self.field)
        subject = self._subject
        if value is None:
            return Fact(gettext_lazy("%(subject)s is not known"), {"subject": subject}, at=score.scored_at)
        shown = self.model.fields[self.field].choices.get(value, value) if isinstance(value, str) else value
        parts = {"subject": subject, "shown": in_words(shown), "when": ago(score.scored_at, now)}
        says = gettext_lazy("%(subject)s is %(shown)s, computed %(when)s")
        return Fact(says, parts, value, Owner("score", self.field), score.scored_at)

    @property
    def _subject(self) -> str:
        field = self.model.fields[self.field]
        return _("%(field)s of %(model)s") % {"field": field.label, "model": self.model.label}

    def topics(self) -> frozenset[str]:
        return frozenset({f"score:{self.model.key}"})

    def describe(self) -> str:
        return self.comparison.describe(self._subject, self.model.fields[self.field].choices)


def _unknown_field(given: Given) -> Wrong | None:
    """Report a field that the model has not."""
    model: ScoreModel = given.known["score"][given["model"]]
    if given["field"] in model.fields:
        return None
    return given.at.key("field").report(
        _("the scoring model %(model)s has no field %(field)s; known: %(fields)s")
        % {"model": model.key, "field": repr(given["field"]), "fields": ", ".join(model.fields)}
    )
