"""Rows as messages, with ids that are the same whenever the same is said again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from profiles.imports.understand import Understood
from profiles.ingest.message import IDENTIFY_EVENT, Message, heard_by, message_key
from profiles.ingest.traits import attributes_of


@dataclass(slots=True)
class RowMessages:
    """A row with what it says: of the person (`identify`), and what they did (`event`); None for nothing.

    `is_timed`: the identify message has a time of its own, so that it is known by its words. Else it says what holds
    at the time of the import, and counts where that differs from what the source said last.
    """

    understood: Understood
    identify: Message | None = None
    event: Message | None = None
    is_timed: bool = False

    def messages(self) -> list[Message]:
        return [message for message in (self.event, self.identify) if message is not None]


class Messages:
    """Makes the messages of one import. `occurrences` says how often a row (its digest) has come, itself included."""

    def __init__(
        self,
        *,
        import_id: int,
        source_id: int,
        creates_people: bool,
        now: datetime,
        occurrences: Callable[[bytes], int],
    ) -> None:
        self.import_id = import_id
        self.source_id = source_id
        self.creates_people = creates_people
        self.now = now
        self.occurrences = occurrences
        self.plain: dict[str, bool] = {}  # whether an attribute is called like its trait, by trait

    def of(self, row: Understood) -> RowMessages:
        """The messages of a row; those of a refused one are none, but its event is counted as come."""
        found = RowMessages(row, is_timed=row.occurred_at is not None)
        event_id = self.event_id(row) if row.event else ""
        if row.is_refused:
            return found
        if row.event:
            found.event = self.message(row, event_id, row.event, row.properties, n_blocked=row.n_blocked)
        if row.traits or row.consents or (self.creates_people and not row.event and row.says_something):
            properties = {**row.traits, "consents": row.consents} if row.consents else row.traits
            attributes, n_odd = self.attributes_of(row.traits)
            id_ = self.identify_id(row)
            n_blocked = row.n_blocked if found.event is None else 0  # a row's count once
            said = self.message(row, id_, IDENTIFY_EVENT, properties, attributes, n_odd, n_blocked)
            found.identify = heard_by(self.now, said)
        return found

    def attributes_of(self, traits: dict[str, Any]) -> tuple[dict[str, Any], int]:
        """As for messages of SDKs; the names of the traits of a file are the same in every row."""
        for key, value in traits.items():
            if isinstance(value, dict):
                return attributes_of(traits)
            is_plain = self.plain.get(key)
            if is_plain is None:
                is_plain = self.plain[key] = attributes_of({key: ""}) == ({key: ""}, 0)
            if not is_plain:
                return attributes_of(traits)
        return dict(traits), 0

    def message(
        self,
        row: Understood,
        message_id: str,
        event: str,
        properties: dict[str, Any],
        traits: dict[str, Any] | None = None,
        n_odd: int = 0,
        n_blocked: int = 0,
    ) -> Message:
        return Message(
            source_id=self.source_id,
            message_id=message_id,
            key=message_key(self.source_id, message_id),
            occurred_at=row.occurred_at or self.now,
            identifiers=row.identifiers,
            n_blocked=n_blocked,
            event=event,
            properties=properties,
            traits=traits or {},
            consents=row.consents if traits is not None else {},
            n_odd_traits=n_odd,
            import_id=self.import_id,
        )

    def identify_id(self, row: Understood) -> str:
        """With a time, the same for the same words about the same person at that time, in whatever file.

        Without, one of this import and row: of two rows about one person the later wins.
        """
        if row.occurred_at is None:
            return f"{untimed_id(self.import_id)}{row.row.number:012d}"
        said = [row.identifiers, row.occurred_at, row.traits, row.consents]
        return f"import-identify-{digest(said).hex()}"

    def event_id(self, row: Understood) -> str:
        """The same for the same event: by its name and the columns that name it, else its row and how often it came."""
        if row.message_id:
            return f"import-event-{digest([row.event, row.message_id]).hex()}"
        found = digest([row.event, row.row.text])
        return f"import-event-{found.hex()}-{self.occurrences(found)}"


def consent_word(channel: str) -> str:
    """What a consent is called among the words of a message; an attribute is called by its key."""
    return f"consent:{channel}"


def saying(message: Message, words: Collection[str]) -> Message:
    """The message with these of its words alone."""
    traits = {key: value for key, value in message.traits.items() if key in words}
    consents = {channel: state for channel, state in message.consents.items() if consent_word(channel) in words}
    properties = {**traits, "consents": consents} if consents else traits
    return message._replace(properties=properties, traits=traits, consents=consents)


def said_again(message: Message) -> Message:
    """Under an id of its own, behind the one under which it was said with other words; the same for the same words."""
    message_id = f"{message.message_id}-{digest(message.properties).hex()}"
    return message._replace(message_id=message_id, key=message_key(message.source_id, message_id))


def untimed_id(import_id: int) -> str:
    """How the ids of messages of an import begin that have no time but its own."""
    return f"import-{import_id:010d}-"


def digest(said: Any) -> bytes:
    text = orjson.dumps(said, option=orjson.OPT_SORT_KEYS, default=str)
    return hashlib.blake2b(text, digest_size=16).digest()
