"""Rule tags as the refresh engine sees them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import BigIntegerField, QuerySet, Value
from django.db.models.functions import Coalesce

from cdp.rules.causes import Cause
from cdp.rules.holders import Holder, Move, Outcome, holder_family
from cdp.rules.scope import Scope
from tags.feeds import Change, write_changes
from tags.models import FILLED_BY_RULE, Tag, TagAssignment

NO_VALUE = 0  # the outcome of a tag that has no values; ids of values start at 1


@dataclass(frozen=True)
class TagHolder(Holder):
    """A rule tag; its outcomes are the ids of its values in order, or NO_VALUE alone. `value_keys` are by those ids."""

    rules: tuple[Outcome, ...]
    value_keys: Mapping[int, str]
    rule_version: int

    def outcomes(self) -> Sequence[Outcome]:
        return self.rules

    def current(self) -> QuerySet[Any, Any]:
        value = Coalesce("value_id", Value(NO_VALUE), output_field=BigIntegerField())
        return TagAssignment.objects.filter(tag=self.pk).values_list("profile_id", value)

    def apply(self, moves: Sequence[Move], *, cause: Cause, now: datetime) -> None:
        gone = [move.profile_id for move in moves if move.after is None]
        if gone:
            TagAssignment.objects.filter(Scope(gone).on("profile_id"), tag=self.pk).delete()
        assign([move for move in moves if move.after is not None], tag_id=self.pk, now=now)

    def record(self, moves: Sequence[Move], *, cause: Cause, now: datetime) -> None:
        write_changes(
            (Change(self.pk, move.profile_id, self.key_of(move.before), self.key_of(move.after)) for move in moves),
            cause=cause,
            now=now,
            rule_version=self.rule_version,
        )

    def key_of(self, outcome: int | None) -> str | None:
        return None if outcome is None else self.value_keys.get(outcome, "")

    def finished(self, *, now: datetime, error: str = "") -> None:
        changed = {"refresh_error": error} if error else {"refresh_error": "", "refreshed_at": now}
        Tag.objects.filter(pk=self.pk).update(**changed)


def assign(moves: Sequence[Move], *, tag_id: int, now: datetime) -> None:
    """Put the tag on the profiles, each with the value that `after` names."""
    if not moves:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO tags_tagassignment (tag_id, profile_id, value_id, assigned_at)
            SELECT %s, profile_id, nullif(value_id, %s), since
            FROM unnest(%s::bigint[], %s::bigint[], %s::timestamptz[]) AS moved (profile_id, value_id, since)
            ON CONFLICT (tag_id, profile_id) DO UPDATE
            SET value_id = excluded.value_id, assigned_at = excluded.assigned_at
            """,
            [
                tag_id,
                NO_VALUE,
                [move.profile_id for move in moves],
                [move.after for move in moves],
                [move.since or now for move in moves],
            ],
        )


@holder_family("tag")
def load_tags() -> Iterable[TagHolder]:
    """Those in use; two queries: the rule tags, and their values."""
    for tag in Tag.objects.active().filter(kind__in=FILLED_BY_RULE).prefetch_related("values"):
        yield holder_of_tag(tag)


def holder_of_tag(tag: Tag) -> TagHolder:
    """A rule tag as a holder, also one that is not in use."""
    values = tag.values.all()
    rules = tuple(Outcome(value.pk, value.rule) for value in values) or (Outcome(NO_VALUE, tag.rule),)
    return TagHolder(
        key=f"tag:{tag.key}",
        label=tag.name,
        pk=tag.pk,
        rules=rules,
        value_keys={value.pk: value.key for value in values},
        rule_version=tag.rule_version,
    )
