"""Two tags crossed: how many people carry which value of the one and which of the other."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from itertools import product

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from cdp.local_settings import HEAVY_WORK_MEM, set_local
from cdp.models import User
from profiles.dimensions import RuleJson
from profiles.models import Profile
from tags.dimensions.tag import NO_VALUE, TagDimension, tag_dimension
from tags.models import Tag, TagValue
from tags.services.tag import save_tag

MAX_CELLS = 4_000  # of a map: as many take 3 s of processor and 1.5 MB; nobody reads more
MAX_VALUES = 60  # of a tag made of two: so many rules are judged for everybody


@dataclass(frozen=True)
class Side:
    """A value of one of the tags (its key and name), or that the tag is not carried (None); and the rule of those."""

    key: str | None
    name: str
    rule: RuleJson


@dataclass(frozen=True)
class Cross:
    """`counts[row][column]` are numbers of people; the last row and column are those without the tag."""

    rows: Sequence[Side]
    columns: Sequence[Side]
    counts: Sequence[Sequence[int]]

    def n_row(self, row: int) -> int:
        return sum(self.counts[row])

    def n_column(self, column: int) -> int:
        return sum(counts[column] for counts in self.counts)

    @property
    def n_people(self) -> int:
        return sum(map(sum, self.counts))

    def people(self, row: int | None, column: int | None) -> RuleJson | None:
        """The rule of those in a cell, or in a whole row or column; None for everybody."""
        told = [sides[place].rule for sides, place in ((self.rows, row), (self.columns, column)) if place is not None]
        return None if not told else told[0] if len(told) == 1 else {"all": told}


def cross_tags(first: Tag, second: Tag, *, now: datetime) -> Cross:
    """Of all people, as of now, by one pass over the carriers of both.

    Raises ValidationError for a tag with itself and for too many values, UnknownDimension for one that is archived.
    """
    if first.pk == second.pk:
        raise ValidationError(_("Choose another tag to cross it with."))
    dimensions = tag_dimension(first.key), tag_dimension(second.key)
    numbers = [len(each.names) for each in dimensions]
    if numbers[0] * numbers[1] > MAX_CELLS:
        problem = _("These have too many values to cross: %(rows)s by %(columns)s, of %(most)s cells at most.")
        shown = {"rows": numbers[0], "columns": numbers[1], "most": MAX_CELLS}
        raise ValidationError(problem % {name: f"{n:,}" for name, n in shown.items()})
    with transaction.atomic():
        found = count_pairs(first, second, now=now)
        n_profiles = Profile.objects.current().count()
    rows, columns = (sides_of(each, {pair[place] for pair in found}) for place, each in enumerate(dimensions))
    found[None, None] = n_profiles - sum(found.values())
    return Cross(rows, columns, [[found.get((row.key, column.key), 0) for column in columns] for row in rows])


def sides_of(dimension: TagDimension, found: Set[str | None]) -> list[Side]:
    """The values of a tag in their order, those who carry it without one where there are some, and those without it."""
    names = dict(dimension.names)
    if NO_VALUE in found:
        names.setdefault(NO_VALUE, _("Without a value"))
    values = [Side(key, str(name), dimension.with_value(key)) for key, name in names.items()]
    return [*values, Side(None, _("Without the tag"), dimension.without())]


def count_pairs(first: Tag, second: Tag, *, now: datetime) -> dict[tuple[str | None, str | None], int]:
    """By the keys of the values, "" where a tag has none, None where it is not carried; without those of neither."""
    set_local(work_mem=HEAVY_WORK_MEM)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH live AS (
                SELECT held.profile_id, held.tag_id, coalesce(value.key, %(none)s) AS key
                FROM tags_tagassignment AS held
                LEFT JOIN tags_tagvalue AS value ON value.id = held.value_id
                WHERE held.tag_id = ANY(%(tags)s) AND (held.expires_at IS NULL OR held.expires_at > %(now)s)
            ), crossed AS (
                SELECT max(key) FILTER (WHERE tag_id = %(first)s) AS first_key,
                       max(key) FILTER (WHERE tag_id = %(second)s) AS second_key
                FROM live
                GROUP BY profile_id
            )
            SELECT first_key, second_key, count(*)
            FROM crossed
            GROUP BY first_key, second_key
            """,
            {
                "none": NO_VALUE,
                "tags": [first.pk, second.pk],
                "first": first.pk,
                "second": second.pk,
                "now": now,
            },
        )
        return {(row, column): n for row, column, n in cursor.fetchall()}


def pair_keys(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """A key for each pair, of 50 characters at most; where two would be one, the later is numbered."""
    found: dict[str, None] = {}
    for row, column in pairs:
        key, number = f"{row[:24]}-{column[:25]}", 1
        while key in found:
            number += 1
            key = f"{row[:22]}-{column[:22]}-{number}"
        found[key] = None
    return list(found)


def join_tags(first: Tag, second: Tag, *, key: str, name: str, user: User, now: datetime) -> Tag:
    """A new tag by rule, a draft, with a value for each pair of values that somebody carries both of.

    Raises ValidationError and RuleError, as saving does.
    """
    cross = cross_tags(first, second, now=now)
    pairs = [
        (row, column)
        for row, column in product(range(len(cross.rows) - 1), range(len(cross.columns) - 1))
        if cross.counts[row][column]
    ]
    if not pairs:
        raise ValidationError(_("Nobody carries both tags."))
    if len(pairs) > MAX_VALUES:
        raise ValidationError(
            _("That would be %(n)d values; at most %(most)d.") % {"n": len(pairs), "most": MAX_VALUES}
        )
    tag = Tag(key=key, name=name, kind=Tag.Kind.RULE, lifecycle=Tag.Lifecycle.DRAFT, owner=user)
    keys = pair_keys(
        [(cross.rows[row].key or first.key, cross.columns[column].key or second.key) for row, column in pairs]
    )
    values = [
        TagValue(
            key=key,
            name=Truncator(f"{cross.rows[row].name} · {cross.columns[column].name}").chars(100),
            rule=cross.people(row, column),
        )
        for key, (row, column) in zip(keys, pairs, strict=True)
    ]
    save_tag(tag, values=values, user=user)
    return tag
