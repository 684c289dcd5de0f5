"""Tags by hand that the rows of a file assign."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, tzinfo
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from cdp.clocks import on_clocks
from cdp.locks import hold_rows
from cdp.rules.causes import Cause
from cdp.rules.days import DAY
from cdp.rules.scope import Scope
from profiles.imports.cells import CellError, TimeReader
from profiles.imports.errors import ImportFileError
from profiles.imports.guess import folded, is_time, names
from profiles.imports.targets import Checked, Planned, Reporter, Target, TargetRow, Writing, register_target
from profiles.imports.targets.named_columns import guess_named
from profiles.imports.targets.parts import (
    Named,
    at_column,
    cell,
    column_of,
    is_meant,
    objects,
    read_named,
    text_or_column,
)
from profiles.refresh.enqueue import enqueue_changes
from profiles.refresh.people import lock_profiles
from tags.feeds import recording
from tags.followers import restore_displaced
from tags.models import FILLED_BY_FILES, DisplacedTag, Tag, TagAssignment, TagValue
from tags.services.assign import Assignment, assign_each, differing, keep_if_taken_back

WRITTEN = (TagAssignment, DisplacedTag)
ALLOWED = ("tag", "split", "value", "expires_at", "when")
COLUMNS = names("标签 客户标签 会员标签 用户标签 手工标签 标签名称 tag tags label labels")
ENDS = names(
    "到期 到期日 到期日期 到期时间 标签到期 截止 截止日 截止日期 截止时间 有效期 有效期至 失效日期 "
    "until expires expires_at end_date valid_until"
)


class Assigning(NamedTuple):
    """What a row assigns; the names, as they were when the mapping was read."""

    tag_id: int
    value_id: int | None
    expires_at: datetime | None
    tag: str
    value: str

    def has_ended(self, now: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= now


@dataclass(frozen=True)
class TagWords:
    """A tag as files name it: by its key or its name, and its values likewise."""

    tag: Tag
    values: Mapping[str, TagValue]

    def assign(self, value: str, expires_at: datetime | None) -> Assigning:
        """Raises CellError."""
        if not self.values:
            if value:
                raise CellError(_("“%(tag)s” has no values") % {"tag": self.tag.key})
            return Assigning(self.tag.pk, None, expires_at, self.tag.name, "")
        if value not in self.values:
            known = ", ".join(sorted({found.key for found in self.values.values()}))
            if not value:
                message = _("“%(tag)s” needs a value; known: %(known)s")
                raise CellError(message % {"tag": self.tag.name, "known": known})
            message = _("“%(value)s” is no value of “%(tag)s”; known: %(known)s")
            raise CellError(message % {"value": value[:60], "tag": self.tag.key, "known": known})
        found = self.values[value]
        return Assigning(self.tag.pk, found.pk, expires_at, self.tag.name, found.name)


@dataclass(frozen=True)
class Part:
    """One object of the mapping."""

    tags: Named[TagWords]
    value: str
    value_column: str
    expires_at: TimeReader | None
    when: str


@dataclass(frozen=True)
class CheckedTags:
    parts: tuple[Part, ...]
    known: Mapping[str, TagWords]

    def columns(self) -> set[str]:
        named = {name for part in self.parts for name in (part.tags.column, part.value_column, part.when)}
        named |= {part.expires_at.column for part in self.parts if part.expires_at}
        return named - {""}

    def read(self, cells: Mapping[str, Any]) -> Sequence[Assigning]:
        return [assigning for part in self.parts for assigning in self._read(part, cells)]

    def _read(self, part: Part, cells: Mapping[str, Any]) -> list[Assigning]:
        value = cell(cells, part.value_column) if part.value_column else part.value
        if not is_meant(cells, part.when) or (part.value_column and not value):
            return []
        expires_at = None
        if part.expires_at is not None and cell(cells, part.expires_at.column):
            with at_column(part.expires_at.column):
                expires_at = part.expires_at.read_end(cells[part.expires_at.column])
        tags = part.tags.in_row(cells)
        with at_column(part.value_column or part.tags.column):
            return [tag.assign(value, expires_at) for tag in tags]

    def describe(self, said: Sequence[Assigning]) -> list[str]:
        found = []
        for each in said:
            words = [each.tag, each.value, f"{_('until')} {end_in_words(each.expires_at)}" if each.expires_at else ""]
            found.append(" ".join(filter(None, words)))
        return found


def end_in_words(expires_at: datetime) -> str:
    """The last day, as the page of a person shows it; with the hour where it ends in the midst of one."""
    end = on_clocks(expires_at)
    if end.time() == time.min:
        return f"{end - DAY:%Y-%m-%d}"
    return f"{end:%Y-%m-%d %H:%M}"


@register_target
class TagTarget(Target):
    """`"tags": [{"tag": "vip"}, {"tag": {"column": "Tags"}, "split": ","}]`; a tag with values has a `value` too."""

    key = "tags"
    label = gettext_lazy("tags")

    def check(self, given: Any, reporter: Reporter, *, zone: tzinfo) -> Checked | None:
        known, archived = known_tags(), archived_tags()
        parts = [
            part
            for path, said in objects(given, reporter, allowed=ALLOWED)
            if (part := check_part(said, path, reporter, known, archived, zone=zone)) is not None
        ]
        return CheckedTags(tuple(parts), known)

    def guess(self, cells: Mapping[str, Sequence[str]]) -> tuple[list[dict[str, Any]], set[str]]:
        """A column that is called so, and whose cells name tags without values that files fill; and until when.

        Also archived ones: the preview says of each that it is to be restored first.
        """
        parts, found = guess_named(cells, "tag", columns=COLUMNS, known=lambda: tags_without_values() | archived_tags())
        ends = [column for column, written in cells.items() if folded(column) in ENDS and any(map(is_time, written))]
        if parts and ends:
            parts = [part | {"expires_at": {"column": ends[0]}} for part in parts]
            found |= {ends[0]}
        return parts, found

    def write(self, rows: Sequence[TargetRow], writing: Writing) -> Counter[str]:
        """Raises ImportFileError where a tag or a value went, or a tag into the archive, since the mapping was read."""
        check_in_use({(said.tag_id, said.value_id): said for row in rows for said in row.said}.values())
        wanted = latest(rows, now=writing.now)
        keep_if_taken_back(wanted, but_by=writing.own)
        changed = assign_each(
            wanted, cause=Cause.IMPORT, user=writing.user, import_id=writing.import_id, now=writing.now
        )
        return Counter(tags=changed, tags_unchanged=len(wanted) - changed)

    def plan(self, rows: Sequence[TargetRow], *, now: datetime) -> Planned:
        return {each[:2]: each for each in latest(rows, now=now)}

    def n_changed(self, planned: Planned) -> int:
        return len(differing(list(planned.values())))

    def rows_about_people(self, import_id: int) -> Sequence[QuerySet[Any]]:
        return [model._default_manager.filter(import_id=import_id) for model in WRITTEN]

    def count(self, import_id: int, *, most: int | None = None) -> Counter[str]:
        return Counter(tags=sum(rows[:most].count() for rows in self.rows_about_people(import_id)))

    def take_back(self, import_id: int, *, now: datetime, limit: int) -> int:
        """What gave way to the import's assignments as people merged comes back; what gave way of them goes too."""
        with transaction.atomic():
            written = TagAssignment.objects.filter(import_id=import_id).order_by("pk")
            found = list(written.values_list("pk", "profile_id", "tag_id", "tag__key")[:limit])
            lock_profiles(sorted({profile_id for _pk, profile_id, *_tag in found}))
            n_displaced, _by_model = DisplacedTag.objects.filter(import_id=import_id).delete()
            carriers: dict[tuple[int, str], list[int]] = {}
            for _pk, profile_id, tag_id, key in found:
                carriers.setdefault((tag_id, key), []).append(profile_id)
            people = sorted({profile_id for _pk, profile_id, *_tag in found})
            tag_ids = sorted({tag_id for tag_id, _key in carriers})
            with recording(people, cause=Cause.IMPORT, now=now, tag_ids=tag_ids):
                TagAssignment.objects.filter(Scope([pk for pk, *_rest in found]).on("pk"), import_id=import_id).delete()
                for (tag_id, key), profile_ids in sorted(carriers.items()):
                    restore_displaced(profile_ids, [tag_id], now=now)
                    enqueue_changes(profile_ids, f"tag:{key}", due_at=now)
        return len(found) + n_displaced


def check_in_use(said: Iterable[Assigning]) -> None:
    """Keep the tags and their values until the transaction ends. Raises ImportFileError."""
    said = sorted(said, key=lambda each: each.tag_id)
    held = hold_rows(Tag, {each.tag_id for each in said})
    values = set(TagValue.objects.filter(tag__in=held).values_list("pk", flat=True))
    for each in said:
        if each.tag_id not in held or held[each.tag_id].lifecycle != Tag.Lifecycle.ACTIVE:
            message = _(
                "“%(tag)s” was deleted or archived while the file was read. Import it again, to another tag or "
                "after restoring this one: what was written already is not written twice."
            )
            raise ImportFileError(message % {"tag": each.tag})
        if each.value_id is not None and each.value_id not in values:
            message = _(
                "“%(value)s”, a value of “%(tag)s”, was deleted while the file was read. Import it again, with "
                "another value: what was written already is not written twice."
            )
            raise ImportFileError(message % {"value": each.value, "tag": each.tag})


def known_tags() -> dict[str, TagWords]:
    """Tags in use that files fill, by key, and by name where that is no other's key. Two queries."""
    by_name: dict[str, TagWords] = {}
    by_key: dict[str, TagWords] = {}
    for tag in Tag.objects.active().filter(kind__in=FILLED_BY_FILES).prefetch_related("values"):
        values = list(tag.values.all())
        words = TagWords(tag, {value.name: value for value in values} | {value.key: value for value in values})
        by_name[tag.name] = by_key[tag.key] = words
    return by_name | by_key


def tags_without_values() -> set[str]:
    """Keys and names of those that a cell names whole."""
    return {name for name, words in known_tags().items() if not words.values}


def archived_tags() -> set[str]:
    """Keys and names of tags that files fill, were they not archived; one query."""
    archived = Tag.objects.filter(kind__in=FILLED_BY_FILES, lifecycle=Tag.Lifecycle.ARCHIVED)
    return {name for names in archived.values_list("key", "name") for name in names}


def check_part(
    said: Mapping[str, Any],
    path: str,
    reporter: Reporter,
    known: Mapping[str, TagWords],
    archived: Collection[str],
    *,
    zone: tzinfo,
) -> Part | None:
    tags = read_named(
        said,
        "tag",
        path,
        reporter,
        known=known,
        missing=_("missing: a tag, or {“column”: …} whose cells name some"),
        unknown=gettext_lazy("there is no tag by hand or by import “%(name)s”"),
        keys={words.tag.key for words in known.values()},
        archived=archived,
    )
    value, value_column = text_or_column(said, "value", path, reporter)
    expiry = column_of(said, "expires_at", path, reporter)
    when = column_of(said, "when", path, reporter)
    if tags is None:
        return None
    part = Part(
        tags=tags,
        value=value,
        value_column=value_column,
        expires_at=TimeReader(zone=zone, column=expiry) if expiry else None,
        when=when,
    )
    if tags.thing is not None and not value_column:
        try:
            tags.thing.assign(value, None)
        except CellError as error:
            reporter.problem(f"{path}.value", str(error))
            return None
    return part


def latest(rows: Sequence[TargetRow], *, now: datetime) -> list[Assignment]:
    """Of each profile and tag what the last row says; what has ended at `now` is left out.

    What says nothing of its end lasts as long as its tag says.
    """
    tag_ids = {said.tag_id for row in rows for said in row.said}
    tags = Tag.objects.filter(pk__in=tag_ids, expires_after_days__isnull=False).in_bulk()
    found: dict[tuple[int, int], Assignment] = {}
    for row in rows:
        for said in row.said:
            assert row.profile_id is not None
            if not said.has_ended(now):
                tag = tags.get(said.tag_id)
                expires_at = said.expires_at or (tag.end_of(now) if tag else None)
                found[row.profile_id, said.tag_id] = Assignment(row.profile_id, said.tag_id, said.value_id, expires_at)
    return list(found.values())
