"""What scoring models declare of themselves, for rules, pages and the API; each does so in its file in `scoring/`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from django.utils.functional import Promise

from cdp.rules.types import ValueType


@dataclass(frozen=True)
class ScoreField:
    """One field of `Score.values`; JSON of its type, null where the model cannot say.

    `unit` is what a number counts; `choices` name the values of a text, where they are few.
    """

    type: ValueType
    label: Promise | str
    unit: Promise | str = ""
    choices: Mapping[str, Promise | str] = field(default_factory=dict)


@dataclass(frozen=True)
class ScoreModel:
    """A scoring model by its key, and its fields by theirs. `formula` is for readers; `source` cites its origin."""

    key: str
    label: Promise | str
    fields: Mapping[str, ScoreField]
    formula: Promise | str = ""
    source: str = ""


_models: dict[str, ScoreModel] = {}


def declare_score(model: ScoreModel) -> ScoreModel:
    _models[model.key] = model
    return model


def score_models() -> Mapping[str, ScoreModel]:
    """Every model by its key."""
    return _models
