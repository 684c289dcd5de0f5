"""Whom a rule is asked about: everybody, or some candidates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q, Value


class EqualsAny(models.Func):
    """`expression = ANY(array)` with the array as one parameter, whatever its length."""

    output_field = models.BooleanField()

    def as_sql(self, compiler: Any, connection: Any, **extra: Any) -> tuple[str, Any]:
        (left_sql, left_params), (right_sql, right_params) = map(compiler.compile, self.get_source_expressions())
        return f"{left_sql} = ANY({right_sql}::bigint[])", [*left_params, *right_params]


@dataclass(frozen=True)
class Scope:
    """`ids` are candidate profile ids; None is everybody."""

    ids: Sequence[int] | None = None

    def on(self, field: str) -> Q:
        """A condition that keeps the rows whose `field` is a profile in scope; empty for everybody."""
        if self.ids is None:
            return Q()
        ids = Value(list(self.ids), output_field=ArrayField(models.BigIntegerField()))
        return Q(EqualsAny(F(field), ids))


EVERYBODY = Scope()
