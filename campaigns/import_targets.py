"""Addresses not to be written to, as the rows of a file list them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from campaigns.models import Suppression
from profiles.imports.cells import CellError
from profiles.imports.guess import folded, names
from profiles.imports.names import CHANNELS
from profiles.imports.targets import Checked, Planned, Reporter, Target, TargetRow, Writing, register_target
from profiles.imports.targets.parts import at_column, cell, column_of, is_meant, objects, text_or_column
from profiles.models import IdentifierKind

ALLOWED = ("kind", "channel", "reason", "when")
EVERY_CHANNEL = names("all every every_channel all_channels 全部 所有 全部渠道 所有渠道")
BETWEEN = re.compile("[,，;；、|/]")  # channels of one cell


class Suppressing(NamedTuple):
    """What a row says: its identifiers of this kind, "" for all of them, are not written to on this channel, "" for
    every one.
    """

    kind: str
    channel: str
    reason: str


@dataclass(frozen=True)
class Part:
    kind: str
    channel: str
    channel_column: str
    reason: str
    reason_column: str
    when: str


@dataclass(frozen=True)
class CheckedSuppressions:
    """`labels` are those of the kinds of identifiers, by key, `called` the channels by all that they are called."""

    parts: tuple[Part, ...]
    labels: Mapping[str, str]
    called: Mapping[str, str]

    def columns(self) -> set[str]:
        return {name for part in self.parts for name in (part.channel_column, part.reason_column, part.when)} - {""}

    def read(self, cells: Mapping[str, Any]) -> Sequence[Suppressing]:
        return [
            Suppressing(part.kind, channel, cell(cells, part.reason_column)[:200] or part.reason)
            for part in self.parts
            if is_meant(cells, part.when)
            for channel in self._channels(part, cells)
        ]

    def _channels(self, part: Part, cells: Mapping[str, Any]) -> list[str]:
        if not part.channel_column:
            return [part.channel]
        with at_column(part.channel_column):
            return channels_in(cell(cells, part.channel_column), self.called)

    def describe(self, said: Sequence[Suppressing]) -> list[str]:
        found = []
        for each in said:
            channel = _(each.channel) if each.channel else _("Every channel")
            kind = _(self.labels[each.kind]) if each.kind else ""
            found.append(" · ".join(filter(None, [kind, channel, each.reason])))
        return found


@register_target
class SuppressionTarget(Target):
    """`"suppressions": [{"kind": "email", "channel": {"column": "渠道"}, "reason": {"column": "原因"}}]`."""

    key = "suppressions"
    label = gettext_lazy("suppressions")
    needs_person = False  # the list may name addresses of people who come later

    def check(self, given: Any, reporter: Reporter, *, zone: tzinfo) -> Checked | None:
        kinds = dict(IdentifierKind.objects.values_list("key", "label"))
        parts = []
        for path, said in objects(given, reporter, allowed=ALLOWED):
            reason, reason_column = text_or_column(said, "reason", path, reporter)
            when = column_of(said, "when", path, reporter)
            channel, channel_column = text_or_column(said, "channel", path, reporter)
            kind = said.get("kind", "")
            if not isinstance(kind, str) or (kind and kind not in kinds):
                message = _("unknown kind of identifier “%(kind)s”; known: %(known)s")
                reporter.problem(f"{path}.kind", message % {"kind": kind, "known": ", ".join(sorted(kinds))})
            elif channel and channel not in settings.CONSENT_CHANNELS:
                reporter.problem(f"{path}.channel", no_channel(channel))
            else:
                parts.append(Part(kind, channel, channel_column, reason, reason_column, when))
        return CheckedSuppressions(tuple(parts), kinds, called())

    def write(self, rows: Sequence[TargetRow], writing: Writing) -> Counter[str]:
        wanted = addresses(rows)
        with connection.cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO campaigns_suppression (kind_id, value, channel, reason, source_id, created_at, import_id)
                SELECT kind.id, wanted.value, wanted.channel, wanted.reason, %s, %s, %s
                FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[]) AS wanted (kind, value, channel, reason)
                JOIN profiles_identifierkind AS kind ON kind.key = wanted.kind
                ORDER BY kind.id, wanted.value, wanted.channel
                ON CONFLICT (kind_id, value, channel) DO UPDATE SET import_id = NULL
                WHERE campaigns_suppression.import_id <> ALL(%s::integer[])
                RETURNING xmax = 0
                """,
                [
                    writing.source_id,
                    writing.now,
                    writing.import_id,
                    *([key[place] for key in wanted] for place in range(3)),
                    list(wanted.values()),
                    writing.own,
                ],
            )
            n_new = sum(is_new for (is_new,) in cursor.fetchall())  # what another import put there is both's now
        return Counter(suppressions=n_new, suppressions_unchanged=len(wanted) - n_new)

    def plan(self, rows: Sequence[TargetRow], *, now: datetime) -> Planned:
        """Without the reasons: a new one changes nothing."""
        return dict.fromkeys(addresses(rows))

    def n_changed(self, planned: Planned) -> int:
        kinds = IdentifierKind.objects.filter(key__in={kind for kind, _value, _channel in planned})
        held = Suppression.objects.filter(  # by kind too, which the index begins with
            kind__in=list(kinds.values_list("pk", flat=True)), value__in={value for _kind, value, _channel in planned}
        )
        known = set(held.values_list("kind__key", "value", "channel"))
        return len(planned.keys() - known)

    def count(self, import_id: int, *, most: int | None = None) -> Counter[str]:
        return Counter(suppressions=Suppression.objects.filter(import_id=import_id)[:most].count())

    def take_back(self, import_id: int, *, now: datetime, limit: int) -> int:
        with transaction.atomic():
            found = list(Suppression.objects.filter(import_id=import_id).values_list("pk", flat=True)[:limit])
            # Asked again: what somebody adds by hand at this moment is the import's no more.
            Suppression.objects.filter(pk__in=found, import_id=import_id).delete()
        return len(found)


def channels_in(written: str, called: Mapping[str, str]) -> list[str]:
    """The channels that a cell names, by key or as they are called; [""] for every one, also where it names none: who
    is on the list without more is not written to at all. Raises CellError.
    """
    found: dict[str, None] = {}
    for name in filter(None, map(folded, BETWEEN.split(written))):
        if name in EVERY_CHANNEL:
            return [""]
        if name not in called:
            raise CellError(no_channel(written[:60]))
        found[called[name]] = None
    return list(found) or [""]


def called() -> dict[str, str]:
    """The channels that there are, by all that they are called in either language."""
    found = {folded(channel): channel for channel in settings.CONSENT_CHANNELS}
    for channel in settings.CONSENT_CHANNELS:
        for written in CHANNELS.get(channel, ()):
            for name in names(written):
                found.setdefault(name, channel)
    return found


def no_channel(written: str) -> str:
    message = _("unknown channel “%(channel)s”; known: %(known)s")
    return message % {"channel": written, "known": ", ".join(settings.CONSENT_CHANNELS)}


def addresses(rows: Sequence[TargetRow]) -> dict[tuple[str, str, str], str]:
    """The reason by kind, address and channel; of several that of the first row."""
    found: dict[tuple[str, str, str], str] = {}
    for row in rows:
        for said in row.said:
            for kind, value in row.identifiers:
                if said.kind in ("", kind):
                    found.setdefault((kind, value, said.channel), said.reason)
    return found
