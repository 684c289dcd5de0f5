"""People as a file: CSV for spreadsheets, NDJSON or Parquet, streamed and masked for whoever asks."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from django.contrib.postgres.expressions import ArraySubquery
from django.db import models, transaction
from django.db.models import OuterRef, QuerySet, TextField, Value
from django.db.models.functions import Cast, Concat
from django.utils.translation import gettext as _

from cdp.disclosure import Viewer
from profiles.imports.readers.row import disarm
from profiles.masking import Masking, masking_for
from profiles.models import AttributeDefinition, Identifier, IdentifierKind

BATCH = 2_000
PARQUET_BATCH = 20_000  # rows a group
BOM = "\ufeff"  # without it spreadsheets take Chinese for something else


class FileFormat(models.TextChoices):
    CSV = "csv", "CSV"
    NDJSON = "ndjson", "NDJSON"
    PARQUET = "parquet", "Parquet"


CONTENT_TYPES = {
    FileFormat.CSV: "text/csv; charset=utf-8",
    FileFormat.NDJSON: "application/x-ndjson",
    FileFormat.PARQUET: "application/vnd.apache.parquet",
}


class FormatMissing(Exception):
    """The library of a format is not installed; the message says how to install it."""


class Person(NamedTuple):
    """A row: `extra` are times, in the order that was asked for; identifiers by kind."""

    public_id: UUID
    extra: tuple[datetime, ...]
    identifiers: dict[str, list[str]]
    attributes: dict[str, Any]


class Columns(NamedTuple):
    """What a file has of each person, beside their id."""

    extra: Mapping[str, str]
    kinds: dict[int, str]  # keys by id, in order
    attributes: dict[str, str]  # types by key, in order
    masking: Masking

    def names(self) -> list[str]:
        """Headings, paths of what NDJSON nests."""
        return [
            "profile",
            *self.extra,
            *(f"identifiers.{kind}" for kind in self.kinds.values()),
            *(f"attributes.{self.masking.name(key)}" for key in self.attributes),
        ]


def people_in_file(
    rows: QuerySet[Any], *, profile: str = "", extra: Mapping[str, str], file_format: FileFormat, user: Viewer
) -> Iterator[bytes]:
    """The people of `rows` in the order of these, as pieces of a file; nothing is held but a batch.

    `profile` is how a row comes to its profile ("profile__"), `extra` are fields with times, by the
    name of their column. With all identifiers and
    all defined attributes, personal ones masked unless `user` may see them.

    Raises FormatMissing, before the first piece.
    """
    columns = Columns(
        extra,
        dict(IdentifierKind.objects.order_by("priority", "key").values_list("pk", "key")),
        dict(AttributeDefinition.objects.order_by("key").values_list("key", "type")),
        masking_for(user),
    )
    write = WRITERS[file_format](columns)
    return write(people(rows, profile, columns))


def people(rows: QuerySet[Any], profile: str, columns: Columns) -> Iterator[Person]:
    """By a cursor of the server: neither side holds the whole list."""
    theirs = Identifier.objects.filter(profile=OuterRef(f"{profile}pk")).order_by("kind__priority", "pk")
    named = theirs.values(named=Concat(Cast("kind_id", TextField()), Value(":"), "value", output_field=TextField()))
    found = rows.values_list(
        f"{profile}public_id", Cast(f"{profile}attributes", TextField()), ArraySubquery(named), *columns.extra.values()
    )
    masking = columns.masking
    with transaction.atomic():
        for public_id, attributes, identifiers, *extra in found.iterator(chunk_size=BATCH):
            by_kind: dict[str, list[str]] = {}
            for text in identifiers:
                kind_id, _colon, value = text.partition(":")
                kind = columns.kinds.get(int(kind_id))
                if kind is not None:  # else made since
                    by_kind.setdefault(kind, []).append(masking.identifier(kind, value))
            held = orjson.loads(attributes)
            known = {key: masking.attribute(key, held[key]) for key in columns.attributes if key in held}
            yield Person(public_id, tuple(extra), by_kind, known)


Write = Callable[[Iterable[Person]], Iterator[bytes]]


def csv_writer(columns: Columns) -> Write:
    def write(found: Iterable[Person]) -> Iterator[bytes]:
        buffer = io.StringIO()
        writer = csv.writer(buffer)
        buffer.write(BOM)
        writer.writerow(disarm(name) for name in columns.names())
        kinds, keys = list(columns.kinds.values()), list(columns.attributes)
        for batch in batches(found, BATCH):
            for person in batch:
                identifiers, attributes = person.identifiers, person.attributes
                writer.writerow(
                    [
                        person.public_id,
                        *(moment.isoformat() for moment in person.extra),
                        *(disarm("; ".join(identifiers[kind])) if kind in identifiers else "" for kind in kinds),
                        *(cell(attributes.get(key)) for key in keys),
                    ]
                )
            yield taken(buffer)
        yield taken(buffer)

    return write


def taken(buffer: io.StringIO) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode()


def cell(value: Any) -> Any:
    """A value as a spreadsheet shows it, and never runs it."""
    match value:
        case None:
            return ""
        case str():
            return disarm(value)
        case bool():
            return "true" if value else "false"
        case int() | float():
            return value
        case list():
            return disarm("; ".join(str(cell(item)) for item in value))
    return disarm(orjson.dumps(value).decode())


def ndjson_writer(columns: Columns) -> Write:
    def line(person: Person) -> bytes:
        return orjson.dumps(
            {
                "profile": person.public_id,
                **dict(zip(columns.extra, person.extra, strict=True)),
                "identifiers": person.identifiers,
                "attributes": {columns.masking.name(key): value for key, value in person.attributes.items()},
            },
            option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z,
        )

    def write(found: Iterable[Person]) -> Iterator[bytes]:
        for batch in batches(found, BATCH):
            yield b"".join(map(line, batch))

    return write


def parquet_writer(columns: Columns) -> Write:
    """Numbers and booleans keep their type where nothing is masked, a value of another type is missing; all else is
    text.
    """
    try:
        import pyarrow as arrow  # noqa: PLC0415 - an extra, and a second to import
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError:
        raise FormatMissing(
            _("Parquet needs the library pyarrow: pip install -r requirements/parquet.txt, or ask for CSV or NDJSON.")
        ) from None
    typed = {
        key: type_ if columns.masking.sees_all or key in columns.masking.open_attributes else "text"
        for key, type_ in columns.attributes.items()
    }
    types = {"number": arrow.float64(), "boolean": arrow.bool_()}
    schema = arrow.schema(
        zip(
            columns.names(),
            [
                arrow.string(),
                *(arrow.timestamp("us", tz="UTC") for _name in columns.extra),
                *(arrow.list_(arrow.string()) for _kind in columns.kinds),
                *(types.get(type_, arrow.string()) for type_ in typed.values()),
            ],
            strict=True,
        )
    )

    def write(found: Iterable[Person]) -> Iterator[bytes]:
        sink = Pieces()
        with parquet.ParquetWriter(sink, schema) as writer:
            for batch in batches(found, PARQUET_BATCH):
                values = [
                    [str(person.public_id) for person in batch],
                    *([person.extra[place] for person in batch] for place in range(len(columns.extra))),
                    *([person.identifiers.get(kind) for person in batch] for kind in columns.kinds.values()),
                    *([as_type(person.attributes.get(key), type_) for person in batch] for key, type_ in typed.items()),
                ]
                arrays = [arrow.array(column, type=field.type) for column, field in zip(values, schema, strict=True)]
                writer.write_batch(arrow.RecordBatch.from_arrays(arrays, schema=schema))
                yield sink.take()
        yield sink.take()

    return write


def as_type(value: Any, type_: str) -> Any:
    if value is None:
        return None
    if type_ == "boolean":
        return value if isinstance(value, bool) else None
    if type_ == "number":
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    return value if isinstance(value, str) else orjson.dumps(value).decode()


class Pieces(io.RawIOBase):
    """A file that is only written, and taken away in pieces."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []
        self._place = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def write(self, piece: Any) -> int:
        held = bytes(piece)
        self._pieces.append(held)
        self._place += len(held)
        return len(held)

    def take(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def batches(found: Iterable[Person], size: int) -> Iterator[list[Person]]:
    rest = iter(found)
    while batch := list(islice(rest, size)):
        yield batch


WRITERS: dict[FileFormat, Callable[[Columns], Write]] = {
    FileFormat.CSV: csv_writer,
    FileFormat.NDJSON: ndjson_writer,
    FileFormat.PARQUET: parquet_writer,
}
