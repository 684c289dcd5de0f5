"""Which column of a file says what.

A mapping is a JSON object; columns are named as in the file's first line:

    {
      "identifiers": {"Phone": "phone", "Card no.": "member_card"},    column: identifier kind; required
      "traits": {"Name": "name", "Points": {"key": "points", "type": "number"}},
      "consents": {"SMS": "sms"},                                      column: channel; cells true/false, yes/no, 1/0
      "event": "Order Completed",                                      or {"column": "Event"}; requires "time"
      "properties": {"Amount": {"key": "total", "type": "number"}},
      "time": "Sold at",                                               ISO 8601 or 2026/1/31 9:05; else when imported
      "timezone": "Asia/Shanghai",                                     of times without one; else the business zone
      "message_id": ["Receipt no."],                                   of the event; else the row and how often it came
      "encoding": "gb18030",                                           else utf-8, with or without BOM
      "delimiter": ";"                                                 else a comma
    }

A row with traits or consents becomes an identify message, one with an event a track message; it can be both. An empty
cell says nothing.

An event is the same as one taken before if its name and its columns "message_id" are, or without these the whole row
and how often it came in its file. An identify message is the same if it says the same of the same identifiers at the
same time, so that a changed row comes through. Its "time" should be when the row was last changed: of two values of one
source the later counts, and between two of the same time, such as a day of joining, the choice is arbitrary. Without
"time" it is that of the import, and a row that goes back to what it once said is taken for one taken before.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.utils import timezone

from profiles.imports.errors import ImportFileError
from profiles.ingest.traits import MAX_KEY_LENGTH
from profiles.models import AttributeType

KEYS = (
    "identifiers", "traits", "consents", "event", "properties", "time", "timezone", "message_id", "encoding",
    "delimiter",
)  # fmt: skip
ENCODINGS = {"utf-8": "utf-8", "utf8": "utf-8", "gb18030": "gb18030", "gbk": "gb18030", "gb2312": "gb18030"}


@dataclass(frozen=True)
class Column:
    """A column and what it fills; its cells stay text where no type is given."""

    name: str
    key: str
    type: AttributeType | None = None


@dataclass(frozen=True)
class FileMapping:
    """A checked mapping. `event_column` is empty where every row is the event `event`; both are empty for none."""

    identifiers: tuple[Column, ...]
    traits: tuple[Column, ...]
    consents: tuple[Column, ...]
    properties: tuple[Column, ...]
    event: str
    event_column: str
    time: str
    message_id: tuple[str, ...]
    zone: tzinfo
    encoding: str
    delimiter: str

    def columns(self) -> set[str]:
        """Every column that the file must have."""
        filled = (*self.identifiers, *self.traits, *self.consents, *self.properties)
        return {column.name for column in filled} | {self.event_column, self.time, *self.message_id} - {""}


def parse_mapping(mapping: Any, *, kinds: Collection[str]) -> FileMapping:
    """Check a mapping; `kinds` are the keys of the identifier kinds.

    Raises:
        ImportFileError: with the key that is wrong.
    """
    if not isinstance(mapping, dict):
        raise ImportFileError("mapping: not a JSON object")
    if unknown := sorted(mapping.keys() - set(KEYS)):
        raise ImportFileError(f"mapping: unknown key {unknown[0]!r}; known: {', '.join(KEYS)}")
    identifiers = columns(mapping, "identifiers")
    if not identifiers:
        raise ImportFileError('mapping: "identifiers" is missing: which columns say who it is?')
    for column in identifiers:
        if column.key not in kinds:
            raise ImportFileError(
                f'mapping: "identifiers": unknown kind {column.key!r} for column {column.name!r}; '
                f"known: {', '.join(sorted(kinds))}"
            )
    consents = columns(mapping, "consents")
    for column in consents:
        if column.key not in settings.CONSENT_CHANNELS:
            raise ImportFileError(
                f'mapping: "consents": channel {column.key!r:.60} of column {column.name!r} is not known; '
                f"known: {', '.join(settings.CONSENT_CHANNELS)}"
            )
    event, event_column = parse_event(mapping.get("event", ""))
    has_event = bool(event or event_column)
    parsed = FileMapping(
        identifiers=identifiers,
        traits=columns(mapping, "traits"),
        consents=consents,
        properties=columns(mapping, "properties"),
        event=event,
        event_column=event_column,
        time=text(mapping, "time"),
        message_id=names(mapping, "message_id"),
        zone=parse_zone(text(mapping, "timezone")),
        encoding=parse_encoding(text(mapping, "encoding") or "utf-8"),
        delimiter=parse_delimiter(text(mapping, "delimiter") or ","),
    )
    if not (parsed.traits or parsed.consents or has_event):
        raise ImportFileError('mapping: "traits", "consents" and "event" are all missing: what does a row say?')
    if has_event and not parsed.time:
        raise ImportFileError('mapping: "time" is missing: which column says when the event was?')
    if parsed.message_id and not has_event:
        raise ImportFileError('mapping: "message_id" names an "event", and there is none; traits go by what they say')
    if parsed.properties and not has_event:
        raise ImportFileError('mapping: "properties" need an "event" to belong to')
    return parsed


def columns(mapping: Mapping[str, Any], name: str) -> tuple[Column, ...]:
    """`{"column": "key"}` or `{"column": {"key": …, "type": …}}`."""
    found = mapping.get(name, {})
    if not isinstance(found, dict):
        raise ImportFileError(f'mapping: "{name}" is not an object of columns')
    return tuple(parse_column(name, column, filled) for column, filled in found.items())


def parse_column(name: str, column: str, filled: Any) -> Column:
    given = {"key": filled} if isinstance(filled, str) else filled
    is_shaped = isinstance(given, dict) and isinstance(given.get("key"), str) and given["key"]
    if not is_shaped or given.keys() - {"key", "type"}:
        raise ImportFileError(f'mapping: "{name}": column {column!r} needs a text or {{"key": …, "type": …}}')
    if len(given["key"]) > MAX_KEY_LENGTH:
        raise ImportFileError(f'mapping: "{name}": the key of column {column!r} is over {MAX_KEY_LENGTH} characters')
    type_ = given.get("type")
    if type_ is not None and type_ not in AttributeType.values:
        raise ImportFileError(
            f'mapping: "{name}": column {column!r}: unknown type {type_!r}; known: {", ".join(AttributeType.values)}'
        )
    return Column(column, given["key"], AttributeType(type_) if type_ else None)


def parse_event(event: Any) -> tuple[str, str]:
    """The name of the event that every row is, and the column that names it; one of them is empty."""
    if isinstance(event, str):
        return event, ""
    if isinstance(event, dict) and event.keys() == {"column"} and isinstance(event["column"], str) and event["column"]:
        return "", event["column"]
    raise ImportFileError('mapping: "event" is neither a name nor {"column": …}')


def text(mapping: Mapping[str, Any], name: str) -> str:
    found = mapping.get(name, "")
    if not isinstance(found, str):
        raise ImportFileError(f'mapping: "{name}" is not a text')
    return found


def names(mapping: Mapping[str, Any], name: str) -> tuple[str, ...]:
    found = mapping.get(name, [])
    if not isinstance(found, list) or not all(isinstance(item, str) and item for item in found):
        raise ImportFileError(f'mapping: "{name}" is not a list of columns')
    return tuple(found)


def parse_zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name) if name else timezone.get_default_timezone()
    except (ZoneInfoNotFoundError, ValueError):
        raise ImportFileError(f'mapping: "timezone": {name!r} is no time zone, such as Asia/Shanghai') from None


def parse_encoding(name: str) -> str:
    try:
        return ENCODINGS[name.lower()]
    except KeyError:
        raise ImportFileError(f'mapping: "encoding": {name!r} is not known; known: utf-8, gb18030') from None


def parse_delimiter(delimiter: str) -> str:
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise ImportFileError(f'mapping: "delimiter": {delimiter!r} is not one character')
    return delimiter
