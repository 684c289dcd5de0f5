"""A CSV file into the inbox: checked whole before anything of it is taken."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, tzinfo
from itertools import islice
from pathlib import Path
from typing import Any

from cdp.models import Run
from cdp.runs import advance
from profiles.imports.errors import ImportFileError
from profiles.imports.mapping import Column, FileMapping, parse_mapping
from profiles.imports.rows import Row, read_rows
from profiles.ingest.accept import accept_messages, as_payload
from profiles.ingest.coerce import MISFIT, coerce
from profiles.ingest.message import CONSENT_STATES, MessageError, NobodyError, parse_message
from profiles.ingest.times import parse_time
from profiles.models import AttributeType, IdentifierKind, Source

CHUNK_SIZE = 2_000  # messages a COPY, and rows between two steps of the progress bar
LOCAL_TIME = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[ T](\d{1,2}):(\d{2})(?::(\d{2}))?)?", re.ASCII)


def import_csv(path: Path, *, source: Source, mapping: Any, run: Run, now: datetime) -> None:
    """Read the file twice: first to find anything wrong with it, then to put its messages into the inbox.

    `mapping` is the JSON of profiles/imports/mapping.py. The same file a second time changes nothing. The run counts
    `rows`, `messages`, and the rows `skipped` because they say nothing or could not be anybody's.

    Raises:
        ImportFileError: with the place, and nothing taken.
    """
    kinds = {kind.key: kind for kind in IdentifierKind.objects.all()}
    checked = parse_mapping(mapping, kinds=kinds)
    n_rows = check(path, checked, source=source, kinds=kinds, run=run, now=now)
    n_done = n_messages = n_skipped = 0
    batches = messages_by_row(path, checked, source=source, kinds=kinds, now=now)
    while chunk := list(islice(batches, CHUNK_SIZE)):
        messages = [message for row_messages in chunk for message in row_messages]
        accept_messages(source, messages, received_at=now)
        n_done += len(chunk)
        n_messages += len(messages)
        n_skipped += sum(not row_messages for row_messages in chunk)
        advance(run, n_done, n_rows, rows=n_done, messages=n_messages, skipped=n_skipped)


def check(
    path: Path,
    mapping: FileMapping,
    *,
    source: Source,
    kinds: Mapping[str, IdentifierKind],
    run: Run,
    now: datetime,
) -> int:
    """Read everything and take nothing; returns the number of rows."""
    advance(run, 0, None)
    return sum(1 for _messages in messages_by_row(path, mapping, source=source, kinds=kinds, now=now))


def messages_by_row(
    path: Path, mapping: FileMapping, *, source: Source, kinds: Mapping[str, IdentifierKind], now: datetime
) -> Iterator[list[dict[str, Any]]]:
    """The messages of each row, checked; an empty list for one that says nothing or could not be anybody's."""
    seen: Counter[bytes] = Counter()
    for row in read_rows(path, mapping):
        messages = messages_of(path, row, mapping, row_id(path, row, mapping, seen))
        try:
            for message in messages:
                parse_message(message, source=source, kinds=kinds, received_at=now, sent_at=None)
                as_payload(message)
        except NobodyError:
            messages = []
        except MessageError as error:
            raise ImportFileError(f"{path.name}: line {row.line}: {error}") from error
        yield messages


def row_id(path: Path, row: Row, mapping: FileMapping, seen: Counter[bytes]) -> str:
    """The same for the same row: of the columns that name it, else of its text and how often that came before."""
    if mapping.message_id:
        named = [row.cells[name] for name in mapping.message_id]
        if not any(named):
            raise ImportFileError(f"{path.name}: line {row.line}: nothing in column {', '.join(mapping.message_id)}")
        return digest("\x1f".join(named)).hex()
    text = digest("\x1f".join(row.text))
    seen[text] += 1
    return f"{text.hex()}-{seen[text]}"


def digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def messages_of(path: Path, row: Row, mapping: FileMapping, id_: str) -> list[dict[str, Any]]:
    """An identify message for traits and consents, a track message for an event, as an SDK would send them."""
    common: dict[str, Any] = {
        "context": {
            "externalIds": [
                {"type": column.key, "id": row.cells[column.name]}
                for column in mapping.identifiers
                if row.cells[column.name]
            ]
        }
    }
    if mapping.time:
        common["timestamp"] = cell_time(path, row, mapping.time, mapping.zone)
    messages = []
    traits = filled(path, row, mapping.traits)
    if consents := {
        column.key: cell_consent(path, row, column) for column in mapping.consents if row.cells[column.name]
    }:
        traits["consents"] = consents
    if traits:
        messages.append({**common, "type": "identify", "messageId": f"csv-identify-{id_}", "traits": traits})
    if event := mapping.event or (mapping.event_column and row.cells[mapping.event_column]):
        properties = filled(path, row, mapping.properties)
        messages.append(
            {**common, "type": "track", "messageId": f"csv-track-{id_}", "event": event, "properties": properties}
        )
    return messages


def filled(path: Path, row: Row, columns: tuple[Column, ...]) -> dict[str, Any]:
    """Values by key; an empty cell says nothing."""
    return {column.key: cell_value(path, row, column) for column in columns if row.cells[column.name]}


def cell_value(path: Path, row: Row, column: Column) -> Any:
    written = row.cells[column.name]
    value = coerce(written, column.type) if column.type else written
    if value is MISFIT:
        raise broken_cell(path, row, column.name, f"is not a {column.type}")
    return value


def cell_consent(path: Path, row: Row, column: Column) -> bool | str:
    written = row.cells[column.name].lower()
    said = written if written in CONSENT_STATES else coerce(written, AttributeType.BOOLEAN)
    if said is MISFIT:
        raise broken_cell(path, row, column.name, "is not true or false, yes or no, 1 or 0, granted or denied")
    return said


def cell_time(path: Path, row: Row, name: str, zone: tzinfo) -> str:
    """The cell as an ISO 8601 time in UTC."""
    written = row.cells[name]
    if match := LOCAL_TIME.fullmatch(written):
        try:
            time: datetime | None = datetime(*(int(part or 0) for part in match.groups()), tzinfo=zone)  # type: ignore[arg-type,misc]
        except ValueError:
            time = None
    else:
        time = parse_time(written, zone=zone)
    if time is None:
        raise broken_cell(path, row, name, "is not a time such as 2026-01-31 09:05")
    return time.isoformat()


def broken_cell(path: Path, row: Row, name: str, problem: str) -> ImportFileError:
    return ImportFileError(f"{path.name}: line {row.line}, column {name!r}: {row.cells[name]!r:.60} {problem}")
