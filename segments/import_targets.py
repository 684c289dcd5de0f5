"""Members by hand that the rows of a file put into static segments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, NamedTuple

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from cdp.locks import hold_rows
from cdp.rules.causes import Cause
from profiles.imports.errors import ImportFileError
from profiles.imports.guess import names
from profiles.imports.targets import Checked, Planned, Reporter, Target, TargetRow, Writing, register_target
from profiles.imports.targets.named_columns import guess_named
from profiles.imports.targets.parts import Named, column_of, is_meant, objects, read_named
from segments.models import DisplacedMembership, Membership, Segment
from segments.services.members import Wanted, add_each, keep_if_taken_back, missing, take_back_written

ALLOWED = ("segment", "split", "when")
WRITTEN = (Membership, DisplacedMembership)
COLUMNS = names("分群 手工分群 所属分群 人群 人群包 客群 名单 segment segments audience list lists")


class Joining(NamedTuple):
    """What a row says: its person is in this segment."""

    segment_id: int
    name: str


@dataclass(frozen=True)
class Part:
    """One object of the mapping."""

    segments: Named[Segment]
    when: str


@dataclass(frozen=True)
class CheckedMembers:
    parts: tuple[Part, ...]
    known: Mapping[str, Segment]

    def columns(self) -> set[str]:
        return {name for part in self.parts for name in (part.segments.column, part.when)} - {""}

    def read(self, cells: Mapping[str, Any]) -> Sequence[Joining]:
        return [each for part in self.parts for each in self._read(part, cells)]

    def _read(self, part: Part, cells: Mapping[str, Any]) -> list[Joining]:
        if not is_meant(cells, part.when):
            return []
        return [Joining(segment.pk, segment.name) for segment in part.segments.in_row(cells)]

    def describe(self, said: Sequence[Joining]) -> list[str]:
        return [each.name for each in said]


@register_target
class MemberTarget(Target):
    """`"segments": [{"segment": "guests"}, {"segment": {"column": "Lists"}, "split": ","}]`, by key or name."""

    key = "segments"
    label = gettext_lazy("members by hand")

    def check(self, given: Any, reporter: Reporter, *, zone: tzinfo) -> Checked | None:
        known, archived = known_segments(), archived_segments()
        parts = [
            part
            for path, said in objects(given, reporter, allowed=ALLOWED)
            if (part := check_part(said, path, reporter, known, archived)) is not None
        ]
        return CheckedMembers(tuple(parts), known)

    def guess(self, cells: Mapping[str, Sequence[str]]) -> tuple[list[dict[str, Any]], set[str]]:
        """A column that is called so, and whose cells name segments by hand that there are.

        Also archived ones: the preview says of each that it is to be restored first.
        """
        return guess_named(
            cells, "segment", columns=COLUMNS, known=lambda: known_segments().keys() | archived_segments()
        )

    def write(self, rows: Sequence[TargetRow], writing: Writing) -> Counter[str]:
        """Raises ImportFileError where a segment was deleted, or put into the archive, since the mapping was read."""
        wanted = wanted_of(rows)
        keep_if_taken_back(wanted, but_by=writing.own)
        check_in_use({said.segment_id: said.name for row in rows for said in row.said})
        added = add_each(wanted, user=writing.user, now=writing.now, cause=Cause.IMPORT, import_id=writing.import_id)
        return Counter(segments=added, segments_unchanged=len(wanted) - added)

    def plan(self, rows: Sequence[TargetRow], *, now: datetime) -> Planned:
        return dict.fromkeys(wanted_of(rows))

    def n_changed(self, planned: Planned) -> int:
        return len(missing([Wanted(*each) for each in planned]))

    def rows_about_people(self, import_id: int) -> Sequence[QuerySet[Any]]:
        return [model._default_manager.filter(import_id=import_id) for model in WRITTEN]

    def count(self, import_id: int, *, most: int | None = None) -> Counter[str]:
        return Counter(segments=sum(rows[:most].count() for rows in self.rows_about_people(import_id)))

    def take_back(self, import_id: int, *, now: datetime, limit: int) -> int:
        return take_back_written(Q(import_id=import_id), cause=Cause.IMPORT, now=now, limit=limit).n_rows


def check_in_use(names: Mapping[int, str]) -> None:
    """Keep these, by id, until the transaction ends. Raises ImportFileError."""
    held = hold_rows(Segment, names)
    gone = [segment_id for segment_id in names if segment_id not in held or held[segment_id].archived_at is not None]
    if gone:
        message = _(
            "“%(segment)s” was deleted or archived while the file was read. Import it again, to another segment or "
            "after restoring this one: what was written already is not written twice."
        )
        raise ImportFileError(message % {"segment": names[min(gone)]})


def known_segments() -> dict[str, Segment]:
    """Segments by hand in use, by key, and by name where that is no other's key; one query."""
    segments = list(Segment.objects.current().filter(kind=Segment.Kind.STATIC))
    return {segment.name: segment for segment in segments} | {segment.key: segment for segment in segments}


def archived_segments() -> set[str]:
    """Keys and names of segments by hand that are archived; one query."""
    archived = Segment.objects.filter(kind=Segment.Kind.STATIC, archived_at__isnull=False)
    return {name for names in archived.values_list("key", "name") for name in names}


def check_part(
    said: Mapping[str, Any],
    path: str,
    reporter: Reporter,
    known: Mapping[str, Segment],
    archived: Collection[str],
) -> Part | None:
    when = column_of(said, "when", path, reporter)
    segments = read_named(
        said,
        "segment",
        path,
        reporter,
        known=known,
        missing=_("missing: a segment, or {“column”: …} whose cells name some"),
        unknown=gettext_lazy("there is no segment by hand “%(name)s”"),
        keys={segment.key for segment in known.values()},
        archived=archived,
    )
    return None if segments is None else Part(segments, when)


def wanted_of(rows: Sequence[TargetRow]) -> list[Wanted]:
    """Each segment and profile once."""
    found: dict[Wanted, None] = {}
    for row in rows:
        for said in row.said:
            assert row.profile_id is not None
            found[Wanted(said.segment_id, row.profile_id)] = None
    return list(found)
