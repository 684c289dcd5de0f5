"""A CSV file into the inbox: checked whole before anything of it is taken."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, tzinfo
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from cdp.models import Run
from cdp.runs import advance
from profiles.imports.errors import ImportFileError
from profiles.imports.mapping import Column, FileMapping, parse_mapping
from profiles.imports.rows import Row, read_rows
from profiles.ingest.accept import accept_messages, as_payload
from profiles.ingest.coerce import MISFIT, coerce
from profiles.ingest.message import MessageError, NobodyError, message_key, parse_message
from profiles.ingest.times import parse_time
from profiles.ingest.traits import consent_of
from profiles.models import IdentifierKind, MessageKey, Source

CHUNK_SIZE = 2_000  # messages a COPY, and rows between two steps of the progress bar
N_NAMED = 20  # skipped rows that a run names
LOCAL_TIME = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[ T](\d{1,2}):(\d{2})(?::(\d{2}))?)?", re.ASCII)


class RowMessages(NamedTuple):
    """What a row says; where that is nothing, `skipped` is the reason, with line and column and without any value."""

    messages: list[dict[str, Any]]
    skipped: str = ""


def import_csv(path: Path, *, source: Source, mapping: Any, run: Run, now: datetime) -> None:
    """Read the file twice: first to find anything wrong with it, then to put its messages into the inbox.

    `mapping` is the JSON of profiles/imports/mapping.py. The same file a second time changes nothing. The run counts
    `rows`, the new `messages`, those that were `known` (processed before, or twice in this file), and the rows
    `skipped` because they say nothing or could not be anybody's; `skipped_rows` names the first of these.

    Raises:
        ImportFileError: with the place, and nothing taken.
    """
    kinds = {kind.key: kind for kind in IdentifierKind.objects.all()}
    checked = parse_mapping(mapping, kinds=kinds)
    n_rows = check(path, checked, source=source, kinds=kinds, run=run, now=now)
    n_done = n_messages = n_known = n_skipped = 0
    skipped: list[str] = []
    taken: set[bytes] = set()
    rows = messages_by_row(path, checked, source=source, kinds=kinds, now=now)
    while chunk := list(islice(rows, CHUNK_SIZE)):
        said = [message for row in chunk for message in row.messages]
        new = unseen(source, said, taken)
        accept_messages(source, new, received_at=now)
        reasons = [row.skipped for row in chunk if row.skipped]
        skipped += reasons[: N_NAMED - len(skipped)]
        n_done += len(chunk)
        n_messages += len(new)
        n_known += len(said) - len(new)
        n_skipped += len(reasons)
        counts = {"rows": n_done, "messages": n_messages, "known": n_known, "skipped": n_skipped}
        advance(run, n_done, n_rows, **counts, skipped_rows=skipped)


def unseen(source: Source, messages: Iterable[dict[str, Any]], taken: set[bytes]) -> list[dict[str, Any]]:
    """The messages that were never processed and are not among those `taken`, which they join; one query."""
    by_key = {message_key(source.pk, message["messageId"]): message for message in messages}
    known = {key.hex for key in MessageKey.objects.filter(key__in=list(by_key)).values_list("key", flat=True)}
    new = {bytes.fromhex(key): message for key, message in by_key.items() if key not in known}
    found = [message for key, message in new.items() if key not in taken]
    taken |= new.keys()
    return found


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
    return sum(1 for _row in messages_by_row(path, mapping, source=source, kinds=kinds, now=now))


def messages_by_row(
    path: Path, mapping: FileMapping, *, source: Source, kinds: Mapping[str, IdentifierKind], now: datetime
) -> Iterator[RowMessages]:
    """What each row says, checked."""
    seen: Counter[bytes] = Counter()
    for row in read_rows(path, mapping):
        messages = messages_of(path, row, mapping, seen)
        if not messages:
            yield RowMessages([], f"line {row.line}: says nothing")
            continue
        try:
            for message in messages:
                parse_message(message, source=source, kinds=kinds, received_at=now, sent_at=None)
                as_payload(message)
        except NobodyError:
            yield RowMessages([], f"line {row.line}, {why_nobody(row, mapping)}")
        except MessageError as error:
            raise ImportFileError(f"{path.name}: line {row.line}: {error}") from error
        else:
            yield RowMessages(messages)


def why_nobody(row: Row, mapping: FileMapping) -> str:
    """The columns that should have said who it is."""
    filled = [column for column in mapping.identifiers if row.cells[column.name]]
    if not filled:
        return f"nothing in column {', '.join(column.name for column in mapping.identifiers)}"
    return "; ".join(f"column {column.name}: not a usable {column.key}" for column in filled)


def messages_of(path: Path, row: Row, mapping: FileMapping, seen: Counter[bytes]) -> list[dict[str, Any]]:
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
        messages.append(identify_message({**common, "type": "identify", "traits": traits}))
    if event := mapping.event or (mapping.event_column and row.cells[mapping.event_column]):
        properties = filled(path, row, mapping.properties)
        id_ = track_id(path, row, mapping, event, seen)
        messages.append({**common, "type": "track", "messageId": id_, "event": event, "properties": properties})
    return messages


def identify_message(message: dict[str, Any]) -> dict[str, Any]:
    """With an id that is the same for the same words about the same person at the same time, in whatever file."""
    text = json.dumps(message, sort_keys=True)
    return {**message, "messageId": f"csv-identify-{digest(text).hex()}"}


def track_id(path: Path, row: Row, mapping: FileMapping, event: str, seen: Counter[bytes]) -> str:
    """The same for the same event: by its name and the columns that name it, else its row and its count in the file."""
    if mapping.message_id:
        named = [row.cells[name] for name in mapping.message_id]
        if not any(named):
            raise ImportFileError(f"{path.name}: line {row.line}: nothing in column {', '.join(mapping.message_id)}")
        return f"csv-track-{digest(json.dumps([event, named])).hex()}"
    text = digest(json.dumps([event, row.text]))
    seen[text] += 1
    return f"csv-track-{text.hex()}-{seen[text]}"


def digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def filled(path: Path, row: Row, columns: tuple[Column, ...]) -> dict[str, Any]:
    """Values by key; an empty cell says nothing."""
    return {column.key: cell_value(path, row, column) for column in columns if row.cells[column.name]}


def cell_value(path: Path, row: Row, column: Column) -> Any:
    written = row.cells[column.name]
    value = coerce(written, column.type) if column.type else written
    if value is MISFIT:
        raise broken_cell(path, row, column.name, f"is not a {column.type}")
    return value


def cell_consent(path: Path, row: Row, column: Column) -> str:
    state = consent_of(row.cells[column.name])
    if state is None:
        raise broken_cell(path, row, column.name, "is not true or false, yes or no, 1 or 0, granted or denied")
    return state.value


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
