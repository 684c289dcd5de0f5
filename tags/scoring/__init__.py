"""Scoring models, one a file, found at start: each declares what it says and brings the statement that computes it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeAlias

from tags.score_models import ScoreModel, declare_score

# SELECT profile id, values as jsonb: one row for each profile that has the score at that moment, in any order.
Statement: TypeAlias = tuple[str, list[Any]]
StatementAt: TypeAlias = Callable[[datetime], Statement]

_statements: dict[str, StatementAt] = {}


def scoring_model(model: ScoreModel) -> Callable[[StatementAt], StatementAt]:
    """Declare a model; decorates the function that gives its statement for a moment."""

    def register(statement_at: StatementAt) -> StatementAt:
        declare_score(model)
        _statements[model.key] = statement_at
        return statement_at

    return register


def statement_of(model_key: str, *, now: datetime) -> Statement:
    """Raises KeyError where no model has this key."""
    return _statements[model_key](now)
