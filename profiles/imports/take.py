"""One batch of rows into the tables."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from cdp.copy import copying_behind
from cdp.locks import advisory_lock
from cdp.runs import RefusedError
from cdp.trouble import first_said, is_transient
from profiles.identity.foresight import Glance, known_now, read_mark
from profiles.identity.groups import Key
from profiles.identity.identifiers import Known, load_identifiers, release_from_imports
from profiles.identity.resolve import lock_profiles
from profiles.imports.mapping import FileMapping
from profiles.imports.messages import RowMessages
from profiles.imports.plan import Plan, Planner
from profiles.imports.preview import CellProblem
from profiles.imports.targets import Target, TargetRow, Writing, all_targets
from profiles.imports.unplanned import refuse_unplanned
from profiles.imports.values import new_values
from profiles.ingest.counters import Tally
from profiles.ingest.definitions import attribute_definitions, event_definitions
from profiles.ingest.process import Processed, Ready, claim, no_room, write
from profiles.ingest.quality import Finding, Quality, quality_of
from profiles.models import AttributeDefinition, EventDefinition, IdentifierKind, Import

logger = logging.getLogger(__name__)


@dataclass
class Taken:
    """What became of a batch: counts by name (docs/imports.md), the refused rows, and the source's own counters."""

    counts: Counter[str] = field(default_factory=Counter)
    refused: list[RowMessages] = field(default_factory=list)
    tally: Tally = field(default_factory=Counter)
    quality: Quality = field(default_factory=Quality)


class BrokenRowsError(Exception):
    """One of several rows breaks their batch, of which nothing was written; its cause is the error."""


class Taking:
    """Takes in one batch, in the transaction that is open."""

    def __init__(
        self,
        import_: Import,
        mapping: FileMapping,
        planner: Planner,
        *,
        value_key: str,
        writes_targets: bool = True,
        now: datetime,
    ) -> None:
        self.import_ = import_
        self.mapping = mapping
        self.new_values = new_values(mapping, value_key)
        self.writes_targets = writes_targets and bool(mapping.targets)
        self.planner = planner
        self.sources = {import_.source_id: import_.source}
        self.now = now

    def take_or_refuse(self, batch: Sequence[RowMessages]) -> Taken:
        """Take the rows in a savepoint; where that fails, refuse the one that there is.

        Raises BrokenRowsError, where there are more.
        """
        try:
            with transaction.atomic(), copying_behind():
                return self.take(batch)
        except Exception as error:
            if is_transient(error) or isinstance(error, RefusedError):
                raise  # the trouble of the database, with which the run is resumed, or of the whole file: no row's
            if len(batch) > 1:
                raise BrokenRowsError from error
            logger.exception("import %s: row %s was refused", self.import_.pk, batch[0].understood.row.number)
            what = f"{type(error).__name__}: {first_said(error)}"
            reason = _("could not be processed: %(error)s") % {"error": what}
            batch[0].understood.problems.append(CellProblem("", reason))
            return Taken(Counter(refused=1), list(batch), Counter({(self.import_.source_id, "n_rejected"): 1}))

    def take(self, batch: Sequence[RowMessages]) -> Taken:
        """Whatever others may wait for is made before the identity lock is taken: definitions and message keys.

        Batches of one source are planned one after another, so that what a plan counts as new no other import has
        written when it comes to it: the same file, begun twice at once, is counted once.
        """
        advisory_lock("import_rows", self.import_.source_id)
        flagged = refuse_unplanned(batch, self.mapping, self.import_.source)
        events = self.definitions_of(batch)
        plan = self.planner.plan(batch)
        ready = claim(plan.messages, events)  # one that another worker has claimed meanwhile is not written
        attributes = attribute_definitions(ready.messages)
        if self.writes_targets:  # all profiles in one order of locks, before any of them is written
            advisory_lock("identity")
            named = {key for row in plan.rows for key in row.understood.identifiers}
            known = known_now(named, plan.seen, read_mark())  # those too who appeared since the plan looked
            lock_profiles({identifier.profile_id for identifier in known.values()})
            self.release_named(plan.rows, known)
        processed = self.write(ready, events, attributes, flagged, seen=plan.seen)
        counts = plan.counts + Counter(merges=processed.n_merges)
        if self.writes_targets:
            counts += self.write_targets(plan)
        tally = Counter(processed.tally)
        tally[self.import_.source_id, "n_messages"] += len(ready.messages)
        tally[self.import_.source_id, "n_rejected"] += len(plan.refused)
        return Taken(counts, plan.refused, tally, processed.quality)

    def definitions_of(self, batch: Sequence[RowMessages]) -> dict[str, EventDefinition]:
        """Of the events of the batch; rows whose event is one too many are refused."""
        good = [row for row in batch if not row.understood.is_refused]
        names = {row.event.event for row in good if row.event is not None}
        names |= {row.identify.event for row in good if row.identify is not None}
        definitions = event_definitions(names, values=self.new_values)
        for row in good:
            if row.event is not None and row.event.event not in definitions:
                row.understood.problems.append(CellProblem("", no_room(row.event)))
        return definitions

    def write(
        self,
        ready: Ready,
        events: Mapping[str, EventDefinition],
        attributes: Mapping[str, AttributeDefinition],
        flagged: Mapping[str, Sequence[Finding]],
        *,
        seen: Glance,
    ) -> Processed:
        """As messages of an SDK are written."""
        new = ready.messages
        if not new:
            return Processed()
        source_id = self.import_.source_id
        tally: Tally = Counter(
            {
                (source_id, "n_blocked"): sum(message.n_blocked for message in new),
                (source_id, "n_odd_traits"): sum(message.n_odd_traits for message in new),
            }
        )
        written = write(ready, attributes, self.sources, self.planner.kinds, now=self.now, seen=seen)
        return written + Processed.of(tally, quality=quality_of(new, events, flagged))

    def release_named(self, rows: Sequence[RowMessages], known: Mapping[Key, Known]) -> None:
        """Those whom another import alone has named, and of whom rows say something beside words, stay when that import
        is taken back: else their tags and memberships would go with them.
        """
        own = {None, self.import_.pk, *self.planner.twins}
        named = {key for row in rows if any(row.understood.others.values()) for key in row.understood.identifiers}
        release_from_imports(known[key].id for key in named if key in known and known[key].import_id not in own)

    def write_targets(self, plan: Plan) -> Counter[str]:
        writing = Writing(
            self.import_.pk, self.import_.source_id, self.import_.user, self.now, list(self.planner.twins)
        )
        saying = [row.understood.identifiers for row in plan.rows if any(row.understood.others.values())]
        known = load_identifiers(sorted({anchor for anchor, *_others in saying}))
        # Rows that make nobody may name their person by another than the first.
        if left := {key for anchor, *others in saying if anchor not in known for key in others}:
            known |= load_identifiers(sorted(left))
        counts: Counter[str] = Counter()
        for target, rows in target_rows(self.mapping, plan.rows, known, kinds=self.planner.kinds):
            counts.update(target.write(rows, writing))
        return counts


def target_rows(
    mapping: FileMapping,
    rows: Sequence[RowMessages],
    known: Mapping[Key, Known],
    *,
    kinds: Mapping[str, IdentifierKind],
    owners: Mapping[Key, int] | None = None,
) -> Iterator[tuple[Target, list[TargetRow]]]:
    """For each target of the mapping, the rows that say something to it. `owners` are whose the identifiers would be
    that nobody has.
    """
    kind_keys = {kind.pk: kind.key for kind in kinds.values()}
    targets = all_targets()
    for key in mapping.targets:
        found = []
        for row in rows:
            if said := row.understood.others.get(key):
                identifiers = [(kind_keys[each.kind_id], each.value) for each in row.understood.identifiers]
                ids = (known[each].profile_id for each in row.understood.identifiers if each in known)
                owner = next(ids, None) or (owners or {}).get(row.understood.identifiers[0])
                found.append(TargetRow(owner, identifiers, said))
        if found:
            yield targets[key], found
