"""What forbids that a thing goes: rows of other apps that point at it, named without loading them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from django.db.models import CASCADE, PROTECT, Exists, Model, OuterRef, QuerySet

MAX_NAMED = 5  # who would read more; a million deliveries may point at one tier


def protectors(things: QuerySet[Any]) -> list[str]:
    """The names of what protects `things`, or what would go with them; one more than `MAX_NAMED` at most.

    A row whose model says `PART_OF = "campaign"` is named by its campaign, once. One query for each foreign key that
    protects, until there are enough.
    """
    named: dict[tuple[type[Model], Any], str] = {}
    for rows in _protecting(things):
        known = [pk for model, pk in named if model is rows.model]
        found = rows.exclude(pk__in=known).order_by("pk")[: MAX_NAMED + 1 - len(named)]
        named |= {(rows.model, row.pk): str(row) for row in found}
        if len(named) > MAX_NAMED:
            break
    return list(islice(named.values(), MAX_NAMED + 1))


def _protecting(things: QuerySet[Any]) -> Iterator[QuerySet[Any]]:
    """The users of `things` by each foreign key that protects them, then of what is deleted with them."""
    relations: list[Any] = [
        field
        for field in things.model._meta.get_fields(include_hidden=True)
        if field.auto_created and not field.concrete and (field.one_to_many or field.one_to_one)
    ]
    for relation in relations:
        if relation.on_delete is PROTECT:
            yield _users(relation, things)
    for relation in relations:
        if relation.on_delete is CASCADE:
            yield from _protecting(_pointing(relation, things))


def _pointing(relation: Any, things: QuerySet[Any]) -> QuerySet[Any]:
    pointing: QuerySet[Any] = relation.related_model._default_manager.filter(**{f"{relation.field.name}__in": things})
    return pointing


def _users(relation: Any, things: QuerySet[Any]) -> QuerySet[Any]:
    rows = _pointing(relation, things)
    part_of: str | None = getattr(relation.related_model, "PART_OF", None)
    if part_of is None:
        return rows
    whole: Any = relation.related_model._meta.get_field(part_of).related_model
    users: QuerySet[Any] = whole._default_manager.filter(Exists(rows.filter(**{part_of: OuterRef("pk")})))
    return users
