"""What further targets would write, told for a dry run: batch by batch, as `Taking.write_targets` writes."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from profiles.identity.groups import Key
from profiles.identity.identifiers import Known
from profiles.imports.mapping import FileMapping
from profiles.imports.messages import RowMessages
from profiles.imports.notes import Notes
from profiles.imports.plan import Plan, name_of, note_key
from profiles.imports.take import target_rows
from profiles.models import IdentifierKind


def plan_targets(
    plan: Plan, mapping: FileMapping, notes: Notes, *, kinds: Mapping[str, IdentifierKind], now: datetime
) -> Counter[str]:
    """The counts of a batch, beside what the batches before it would have written."""
    counts: Counter[str] = Counter()
    if not mapping.targets:
        return counts
    owners = owners_to_be(plan.rows, plan.known, notes)
    for target, rows in target_rows(mapping, plan.rows, plan.known, kinds=kinds, owners=owners):
        planned = target.plan(rows, now=now)
        keys = {note_key("t", f"{target.key} {what!r}"): what for what in planned}
        noted = notes.read(keys)
        first = {what: planned[what] for key, what in keys.items() if key not in noted}
        n_changed = target.n_changed(first) + sum(text != repr(planned[keys[key]]) for key, text in noted.items())
        counts[target.key] += n_changed
        counts[f"{target.key}_unchanged"] += len(planned) - n_changed
        notes.write({key: repr(planned[what]) for key, what in keys.items()})
    return counts


def owners_to_be(rows: Sequence[RowMessages], known: Mapping[Key, Known], notes: Notes) -> dict[Key, int]:
    """Whose the identifiers would be that nobody has yet, by the rows so far: a profile's id, or a number below zero
    for somebody new.
    """
    keys = {note_key("p", name_of(key)): key for row in rows for key in row.understood.identifiers}
    owners = {keys[note]: int(text) for note, text in notes.read(keys).items()}
    before = len(owners)
    for row in rows:
        if not row.messages():
            continue  # what makes nobody ties no identifiers either
        identifiers = row.understood.identifiers
        known_ids = (known[key].profile_id for key in identifiers if key in known)
        others = (owners[key] for key in identifiers if key in owners)
        owner = next(known_ids, None) or next(others, None) or number_of(identifiers[0])
        for key in identifiers:
            if key not in known:
                owners.setdefault(key, owner)
    if len(owners) > before:
        notes.write({note: str(owners[key]) for note, key in keys.items() if key in owners})
    return owners


def number_of(key: Key) -> int:
    """Below zero, and hardly ever the same for two."""
    return -1 - int.from_bytes(hashlib.blake2b(name_of(key).encode(), digest_size=7).digest())
