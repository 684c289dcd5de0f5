"""Whom a rule is asked about: everybody, or some candidates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q, Value

from cdp.rules.sql import any_of_array


@dataclass(frozen=True)
class Scope:
    """`ids` are candidate profile ids; None is everybody."""

    ids: Sequence[int] | None = None

    def on(self, field: str) -> Q:
        """A condition that keeps the rows whose `field` is a profile in scope; empty for everybody."""
        if self.ids is None:
            return Q()
        ids = Value(list(self.ids), output_field=ArrayField(models.BigIntegerField()))
        return Q(any_of_array(F(field), ids))


EVERYBODY = Scope()
