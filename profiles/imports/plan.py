"""What a batch of rows changes, told from what is stored: by a few queries, and without any lock.

The import writes what the plan says; a dry run counts it. Between its batches a dry run keeps in `Notes` what the
batches before would have written, so that both count alike.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from django.utils.translation import gettext as _

from cdp.rules.scope import Scope
from profiles.identity.foresight import Glance, Mark, glance
from profiles.identity.groups import Key
from profiles.identity.identifiers import Known
from profiles.imports.messages import RowMessages, consent_word, said_again, saying, untimed_id
from profiles.imports.notes import Notes
from profiles.imports.preview import CellProblem
from profiles.ingest.coerce import is_same
from profiles.ingest.contributions import stored
from profiles.ingest.keys import known_keys
from profiles.ingest.message import Message
from profiles.models import (
    AttributeDefinition,
    Consent,
    Contribution,
    IdentifierKind,
    IdentityConflict,
    Source,
)

# What a source last said of somebody, by attribute key, and `consent:<channel>`: the value, and the id of its message.
Said = dict[str, tuple[Any, str]]


@dataclass
class Plan:
    """`messages` are to be written; `rows` are those that are not refused, `refused` the others. `seen` are the known
    ones of all identifiers, before any is written.

    `counts`: of rows `new` (they make somebody), `changed`, `unchanged`, `refused`; of events `events`, `known_events`;
    of identifiers in rows that are not refused `passed_over`, since they can name nobody; `consents` are the words of
    consent that are to be written, `known_words` those of rows that say something new which the source has said
    already.
    """

    messages: list[Message] = field(default_factory=list)
    rows: list[RowMessages] = field(default_factory=list)
    refused: list[RowMessages] = field(default_factory=list)
    seen: Glance = field(default_factory=lambda: Glance(Mark(0, 0, 0), {}))
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def known(self) -> dict[Key, Known]:
        return self.seen.known


class Planner:
    """Plans the batches of one file in their order. `twins` are the ids of earlier imports of the same file by the same
    mapping, `leaving` of those of its source that are being taken back; `is_again`: these rows were taken in before;
    `notes` are those of a dry run, None where plans are written.
    """

    def __init__(
        self,
        *,
        source: Source,
        kinds: Mapping[str, IdentifierKind],
        creates_people: bool,
        needs_person: bool,
        twins: Collection[int] = (),
        leaving: Collection[int] = (),
        is_again: bool = False,
        notes: Notes | None = None,
    ) -> None:
        self.source = source
        self.kinds = kinds
        self.creates_people = creates_people
        self.needs_person = needs_person
        self.twins = twins
        self.leaving = leaving
        self.is_again = is_again
        self.notes = notes

    def plan(self, rows: Sequence[RowMessages]) -> Plan:
        plan = Plan()
        good: list[RowMessages] = []
        for row in rows:
            (plan.refused if row.understood.is_refused else good).append(row)
        plan.seen = glance({key for row in good for key in row.understood.identifiers})
        people = set(plan.known) | self._noted_people(good)
        taken = self._taken(good)
        last_said = LastSaid(
            good,
            plan.known,
            source=self.source,
            kinds=self.kinds,
            twins=self.twins,
            leaving=self.leaving,
            notes=self.notes,
        )
        for row in good:
            identifiers = row.understood.identifiers
            is_known = not people.isdisjoint(identifiers)
            needs_person = self.needs_person and row.understood.says_something
            if not is_known and needs_person and not self.creates_people:
                row.understood.problems.append(CellProblem("", nobody_yet(identifiers, self.kinds)))
                plan.refused.append(row)
                continue
            self._plan_row(row, plan, taken, last_said, is_known=is_known)
            if self.creates_people:
                people.update(identifiers)
        plan.counts["refused"] += len(plan.refused)
        self._note(good, taken, last_said)
        return plan

    def _plan_row(self, row: RowMessages, plan: Plan, taken: set[str], last_said: LastSaid, *, is_known: bool) -> None:
        n_before = len(plan.messages)
        plan.rows.append(row)
        if row.understood.n_blocked:
            plan.counts["passed_over"] += row.understood.n_blocked
        if row.event is not None:
            is_new = row.event.key not in taken
            plan.counts["events" if is_new else "known_events"] += 1
            if is_new:
                taken.add(row.event.key)
                plan.messages.append(row.event)
        if row.identify is not None:
            said = news_of(row.identify, taken, last_said, is_timed=row.is_timed)
            if said is not None:
                taken.add(said.key)
                plan.messages.append(said)
                if said.consents:
                    plan.counts["consents"] += len(said.consents)
                if said is not row.identify and (n_known := n_words(row.identify) - n_words(said)):
                    plan.counts["known_words"] += n_known
        says_new = len(plan.messages) > n_before
        plan.counts["new" if says_new and not is_known else "changed" if says_new else "unchanged"] += 1

    def _taken(self, rows: Iterable[RowMessages]) -> set[str]:
        """Keys of messages that were processed before, here or in a batch before of a dry run; of those with a time of
        their own, since the others are told from what was said last, and are new unless the row comes again.
        """
        keys = [row.event.key for row in rows if row.event is not None]
        keys += [row.identify.key for row in rows if row.identify is not None and (row.is_timed or self.is_again)]
        return (known_keys(keys) if keys else set()) | self._noted("m", keys)

    def _noted_people(self, rows: Iterable[RowMessages]) -> set[Key]:
        if self.notes is None:
            return set()
        keys = {key for row in rows for key in row.understood.identifiers}
        names = {name_of(key): key for key in keys}
        return {names[name] for name in self._noted("i", names)}

    def _noted(self, family: str, names: Iterable[str]) -> set[str]:
        if self.notes is None:
            return set()
        by_key = {note_key(family, name): name for name in names}
        return {by_key[key] for key in self.notes.read(by_key)}

    def _note(self, rows: Iterable[RowMessages], taken: Iterable[str], last_said: LastSaid) -> None:
        if self.notes is None:
            return
        self.notes.write({note_key("m", key): "" for key in taken})
        if self.creates_people:
            names = {name_of(key) for row in rows for key in row.understood.identifiers}
            self.notes.write({note_key("i", name): "" for name in names})
        last_said.save()


class LastSaid:
    """What the source has said last of the people of a batch, as far as rows without a time have to know it.

    What a twin said last is no news, whichever of its rows says it: taken in again, the file would end up there. What
    an import that is leaving said is: it goes with it.
    """

    def __init__(
        self,
        rows: Sequence[RowMessages],
        known: Mapping[Key, Known],
        *,
        source: Source,
        kinds: Mapping[str, IdentifierKind],
        twins: Collection[int],
        leaving: Collection[int],
        notes: Notes | None,
    ) -> None:
        self.known = known
        self.twins = tuple(untimed_id(import_id) for import_id in twins)
        self.leaving = tuple(untimed_id(import_id) for import_id in leaving)
        self.source = source
        self.kinds = kinds
        self.notes = notes
        messages = [row.identify for row in rows if row.identify is not None and not row.is_timed]
        anchors = {message.identifiers[0] for message in messages}
        self.said: dict[Key, Said] = {}
        self.tied: set[frozenset[Key]] = set()
        self.noted: dict[Key, str] = {}
        self.definitions: dict[str, AttributeDefinition] = {}
        if messages:
            keys = {key for message in messages for key in message.traits}
            self.definitions = {found.key: found for found in AttributeDefinition.objects.filter(key__in=keys)}
            self.said = self._load(anchors)
            self._load_notes(anchors)
            self._load_conflicts(anchors)

    def news(self, message: Message, *, stands: bool) -> Message | None:
        """The message with those of its words alone that the source has not said last: what it repeats might speak
        louder than what others, or the person, have said since. None where there are none, and it names nobody in a way
        not known yet. Rows behind are compared with this.

        `stands`: it was said before, and of its words those are news that have gone since.
        """
        anchor = message.identifiers[0]
        said = self.said.get(anchor)
        words = self._words(message)
        if stands:
            new = {key: words[key] for key in words if said is not None and self._has_gone(said.get(key))}
        else:
            new = {key: value for key, value in words.items() if said is None or self._is_new(said.get(key), value)}
        if not new and (stands or (said is not None and self._knows_names(message))):
            return None
        if len(new) < len(words):
            message = saying(message, new)
        if stands:
            message = said_again(message)
        self._note(message, new)
        return message

    def _knows_names(self, message: Message) -> bool:
        """Whether its identifiers are one person's, or were said to be."""
        anchor, *others = message.identifiers
        mine = self.known[anchor].profile_id if anchor in self.known else None
        return all(
            (key in self.known and self.known[key].profile_id == mine) or frozenset((anchor, key)) in self.tied
            for key in others
        )

    def _has_gone(self, last: tuple[Any, str] | None) -> bool:
        return last is None or last[1].startswith(self.leaving)

    def _is_new(self, last: tuple[Any, str] | None, value: Any) -> bool:
        if last is None or self._has_gone(last):
            return True
        return not is_same(last[0], value) and not last[1].startswith(self.twins)

    def _note(self, message: Message, words: Mapping[str, Any]) -> None:
        anchor = message.identifiers[0]
        self.said.setdefault(anchor, {}).update({key: (value, message.message_id) for key, value in words.items()})
        self.tied |= {frozenset((anchor, key)) for key in message.identifiers[1:]}
        if self.notes is not None:
            names = [name_of(key) for key in message.identifiers[1:]]
            self.noted[anchor] = orjson.dumps([self.said[anchor], names]).decode()

    def save(self) -> None:
        """Keep for the batches behind; of a dry run."""
        if self.notes is not None:
            self.notes.write({note_key("s", name_of(anchor)): text for anchor, text in self.noted.items()})

    def _words(self, message: Message) -> dict[str, Any]:
        words: dict[str, Any] = {consent_word(channel): str(state) for channel, state in message.consents.items()}
        for key, value in message.traits.items():
            definition = self.definitions.get(key)
            if definition is not None:
                words[key] = stored(value, definition, self.kinds, self.source.default_region)[0]
            else:
                words[key] = value
        return words

    def _load(self, anchors: Iterable[Key]) -> dict[Key, Said]:
        """Everybody known, with what the source said of them under this identifier."""
        by_id = {self.known[key].id: key for key in anchors if key in self.known}
        by_profile: defaultdict[int, list[Key]] = defaultdict(list)
        for key in by_id.values():
            by_profile[self.known[key].profile_id].append(key)
        said: dict[Key, Said] = {key: {} for key in by_id.values()}
        rows = Contribution.objects.filter(Scope(list(by_id)).on("anchor_id"), source=self.source)
        for anchor_id, attribute, value, message_id in rows.values_list(
            "anchor_id", "definition__key", "value", "message_id"
        ):
            said[by_id[anchor_id]][attribute] = (value, message_id)
        words = Consent.objects.filter(Scope(list(by_profile)).on("profile_id"), source=self.source).in_force()
        for profile_id, channel, state, message_id in words.values_list("profile_id", "channel", "state", "message_id"):
            for anchor in by_profile[profile_id]:
                said[anchor][consent_word(channel)] = (state, message_id)
        return said

    def _load_notes(self, anchors: Iterable[Key]) -> None:
        if self.notes is None:
            return
        by_key = {note_key("s", name_of(anchor)): anchor for anchor in anchors}
        for key, text in self.notes.read(by_key).items():
            anchor = by_key[key]
            words, names = orjson.loads(text)
            self.said[anchor] = {name: (value, message_id) for name, (value, message_id) in words.items()}
            self.tied |= {frozenset((anchor, key_of(name))) for name in names}

    def _load_conflicts(self, anchors: Iterable[Key]) -> None:
        """An identifier that a limit left out of its row is left out again."""
        by_id = {known.id: key for key, known in self.known.items()}
        ids = [self.known[key].id for key in anchors if key in self.known]
        pairs = IdentityConflict.objects.filter(Scope(ids).on("anchor_id")).values_list("anchor_id", "left_out_id")
        self.tied |= {frozenset((by_id[one], by_id[other])) for one, other in pairs if other in by_id}


def news_of(message: Message, taken: Collection[str], last_said: LastSaid, *, is_timed: bool) -> Message | None:
    """What of a row's identify message is to be written: with a time it is news once, and whole."""
    is_taken = message.key in taken
    if is_timed:
        return None if is_taken else message
    return last_said.news(message, stands=is_taken)


def n_words(message: Message) -> int:
    return len(message.traits) + len(message.consents)


def nobody_yet(identifiers: Sequence[Key], kinds: Mapping[str, IdentifierKind]) -> str:
    names = {kind.pk: _(kind.label) for kind in kinds.values()}
    written = ", ".join(f"{names[key.kind_id]} {key.value}" for key in identifiers)
    return _("nobody has %(identifiers)s yet, and the mapping makes no people") % {"identifiers": written}


def name_of(key: Key) -> str:
    return f"{key.kind_id}:{key.value}"


def key_of(name: str) -> Key:
    kind_id, _colon, value = name.partition(":")
    return Key(int(kind_id), value)


def note_key(family: str, name: str) -> bytes:
    return family.encode() + hashlib.blake2b(name.encode(), digest_size=16).digest()
