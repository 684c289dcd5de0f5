"""`score:MODEL.FIELD`: what a scoring model says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from cdp.rules.types import JSON_TYPES
from profiles.dimensions import (
    Choice,
    ComparedDimension,
    DimensionKind,
    Statement,
    UnknownDimension,
    register_dimension,
)
from profiles.masking import Masking
from tags.score_models import ScoreField, ScoreModel, score_models


@dataclass(frozen=True)
class ScoreDimension(ComparedDimension):
    """One field of the scores of a model."""

    model: str = ""
    field_key: str = ""

    def statement(self, now: datetime) -> Statement:
        return STATEMENT, [self.field_key, self.model, self.field_key, JSON_TYPES[self.type]]


STATEMENT = """
    SELECT profile_id, values -> %s
    FROM tags_score
    WHERE model = %s AND jsonb_typeof(values -> %s) = %s
"""


def find(name: str, masking: Masking) -> ScoreDimension:
    model_key, _dot, field_key = name.partition(".")
    model = score_models().get(model_key)
    if model is None or field_key not in model.fields:
        known = ", ".join(choice.name for choice in offer(masking))
        raise UnknownDimension(_("no score %(name)s; known: %(known)s") % {"name": repr(name), "known": known})
    field = model.fields[field_key]
    names = {key: str(label) for key, label in field.choices.items()}
    subject = {"op": "score", "model": model_key, "field": field_key}
    return ScoreDimension(f"score:{name}", label_of(model, field), field.type, names, subject, model_key, field_key)


def offer(masking: Masking) -> list[Choice]:
    """A portrait begins with fields whose values have names, such as the classes of RFM."""
    return [
        Choice(f"{model.key}.{key}", label_of(model, field), is_first=bool(field.choices))
        for model in score_models().values()
        for key, field in model.fields.items()
    ]


def label_of(model: ScoreModel, field: ScoreField) -> str:
    return f"{model.label} · {field.label}"


register_dimension(DimensionKind("score", gettext_lazy("Scores"), 40, offer, find))
