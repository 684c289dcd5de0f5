"""From JSON to a FileMapping: which column of a file says what. docs/imports.md describes it for those who write it.

Every mistake is named with its place.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from cdp.json_field import has_nul
from profiles.imports.cells import DECIMAL_COMMA, CellError, TimeReader, ValueReader
from profiles.imports.date_patterns import date_pattern
from profiles.imports.errors import ImportFileError, MappingProblem
from profiles.imports.fit import in_one, misfits
from profiles.imports.mapping import CREATE, KNOWN, Column, FileMapping, kinds_of
from profiles.imports.targets import all_targets
from profiles.ingest.message import RESERVED_EVENTS
from profiles.ingest.traits import MAX_KEY_LENGTH
from profiles.models import AttributeType

OWN_KEYS = (
    "identifiers", "traits", "constants", "consents", "event", "properties", "value", "time", "timezone", "message_id",
    "people", "format", "encoding", "delimiter", "header",
)  # fmt: skip
ENCODINGS = {"utf-8": "utf-8", "utf8": "utf-8", "gb18030": "gb18030", "gbk": "gb18030", "gb2312": "gb18030"}
FORMATS = ("csv", "ndjson", "parquet")
NUMBER_FORMATS = (DECIMAL_COMMA,)
VALUE_KEYS = ("key", "type", "format", "split", "values", "empty", "trim")


def parse_mapping(
    mapping: Any, *, kinds: Collection[str], columns: Collection[str] | None = None, is_open: bool = False
) -> FileMapping:
    """Check a mapping; `kinds` are the keys of the identifier kinds, `columns` those of the file (`is_open`: `check`).

    Raises:
        ImportFileError: of the first problem, with its place; of a file that lacks columns, of all these.
    """
    parsed, problems = check(mapping, kinds=kinds, columns=columns, is_open=is_open)
    if problems or parsed is None:
        raise ImportFileError(in_one(problems, columns or ()))
    return parsed


def check(
    mapping: Any, *, kinds: Collection[str], columns: Collection[str] | None = None, is_open: bool = False
) -> tuple[FileMapping | None, list[MappingProblem]]:
    """The checked mapping, None where it has problems, and all of these in the order of their places.

    `is_open`: rows may have more columns than these, and what none of them has is empty.
    """
    checker = Checker(kinds)
    parsed = checker.mapping(mapping)
    if columns is not None and parsed is not None:
        checker.problems += misfits(mapping, parsed, columns, is_open=is_open)
    return (None if checker.problems else parsed), checker.problems


class Checker:
    """Goes through the JSON once, and notes what is wrong on the way."""

    def __init__(self, kinds: Collection[str]) -> None:
        self.kinds = kinds
        self.problems: list[MappingProblem] = []

    def problem(self, path: str, message: str) -> None:
        self.problems.append(MappingProblem(path, message))

    def mapping(self, mapping: Any) -> FileMapping | None:
        if not isinstance(mapping, dict):
            self.problem("", _("not a JSON object"))
            return None
        if has_nul(mapping):
            self.problem("", _("holds a NUL character, which a database text cannot hold"))
            return None
        targets = all_targets()
        known = (*OWN_KEYS, *targets)
        for key in sorted(mapping.keys() - set(known)):
            self.problem(key, _("unknown key; known: %(keys)s") % {"keys": ", ".join(known)})
        zone = self.zone(mapping)
        constants = self.constants(mapping)
        event, event_column = self.event(mapping.get("event", ""))
        parsed = FileMapping(
            identifiers=self.identifiers(mapping),
            traits=self.columns(mapping, "traits", zone),
            constants=constants["traits"],
            consents=self.consents(mapping),
            properties=self.columns(mapping, "properties", zone),
            constant_properties=constants["properties"],
            event=event,
            event_column=event_column,
            value=self.value(mapping, zone),
            time=self.time(mapping, zone),
            message_id=self.names(mapping, "message_id"),
            people=self.choice(mapping, "people", (CREATE, KNOWN), ""),
            targets={
                key: checked
                for key, target in targets.items()
                if key in mapping and (checked := target.check(mapping[key], self.at(key), zone=zone)) is not None
            },
        )
        self.choice(mapping, "format", FORMATS, "")
        self.encoding(mapping)
        self.delimiter(mapping)
        if not isinstance(mapping.get("header", True), bool):
            self.problem("header", _("not true or false"))
        self.whole(mapping, parsed)
        return parsed

    def at(self, path: str) -> Reporter:
        return Reporter(self, path)

    # --- what belongs together --------------------------------------------------------------------------------

    def whole(self, mapping: Mapping[str, Any], parsed: FileMapping) -> None:
        says = parsed.has_person or parsed.has_event or parsed.targets
        if not says and not self.problems:
            self.problem("", _("it names nothing that a row says: attributes, consents, an event, tags …"))
        if parsed.has_event and parsed.time is None and not any(p.path.startswith("time") for p in self.problems):
            self.problem("time", _("missing: events need a time, of a column or {“constant”: …} for all rows"))
        for key in ("properties", "value", "message_id"):
            if mapping.get(key) and not parsed.has_event and not any(p.path == "event" for p in self.problems):
                self.problem(key, _("needs an “event” to belong to"))

    # --- parts ------------------------------------------------------------------------------------------------

    def identifiers(self, mapping: Mapping[str, Any]) -> tuple[Column, ...]:
        given = self.given(mapping, "identifiers")
        kinds = [(name, kind) for name, said in given for kind in kinds_of(said) or [said]]
        found = tuple(self.read_columns("identifiers", kinds, ("key",)))
        if not found and not any(problem.path.startswith("identifiers") for problem in self.problems):
            self.problem("identifiers", _("missing: which columns say who it is?"))
        for column in found:
            if column.key not in self.kinds:
                known = ", ".join(sorted(self.kinds))
                message = _("unknown kind of identifier “%(kind)s”; known: %(known)s")
                self.problem(f"identifiers.{column.name}", message % {"kind": column.key, "known": known})
        return found

    def consents(self, mapping: Mapping[str, Any]) -> tuple[Column, ...]:
        found = tuple(self.keyed(mapping, "consents", ("key", "values")))
        for column in found:
            if column.key not in settings.CONSENT_CHANNELS:
                message = _("unknown channel “%(channel)s”; known: %(known)s")
                known = ", ".join(settings.CONSENT_CHANNELS)
                self.problem(f"consents.{column.name}", message % {"channel": column.key[:60], "known": known})
        return found

    def columns(self, mapping: Mapping[str, Any], name: str, zone: tzinfo) -> tuple[Column, ...]:
        return tuple(self.keyed(mapping, name, VALUE_KEYS, zone))

    def keyed(
        self, mapping: Mapping[str, Any], name: str, allowed: tuple[str, ...], zone: tzinfo | None = None
    ) -> Iterator[Column]:
        """`{"column": "key"}` or `{"column": {"key": …, …}}`."""
        return self.read_columns(name, self.given(mapping, name), allowed, zone)

    def given(self, mapping: Mapping[str, Any], name: str) -> Iterable[tuple[str, Any]]:
        """The columns of a part, each with what is said of it."""
        found = mapping.get(name, {})
        if isinstance(found, dict):
            return found.items()
        self.problem(name, _("not an object of columns"))
        return ()

    def read_columns(
        self, name: str, columns: Iterable[tuple[str, Any]], allowed: tuple[str, ...], zone: tzinfo | None = None
    ) -> Iterator[Column]:
        for column, given in columns:
            path = f"{name}.{column}"
            said = {"key": given} if isinstance(given, str) else given
            if not isinstance(said, dict) or not isinstance(said.get("key"), str) or not said["key"]:
                self.problem(path, _("needs a text, or an object with “key”"))
            elif len(said["key"]) > MAX_KEY_LENGTH:
                self.problem(path, _("the key is over %(n)d characters") % {"n": MAX_KEY_LENGTH})
            elif (reader := self.reader(said, path, allowed, zone)) is not None:
                yield Column(column, said["key"], reader)

    def reader(
        self, said: Mapping[str, Any], path: str, allowed: tuple[str, ...], zone: tzinfo | None
    ) -> ValueReader | None:
        """How the cells of a column are read; None where that is not clear."""
        n_before = len(self.problems)
        for key in sorted(said.keys() - set(allowed)):
            self.problem(f"{path}.{key}", _("unknown key; known: %(keys)s") % {"keys": ", ".join(allowed)})
        type_ = self.choice(said, "type", AttributeType.values, path)
        is_number = type_ == AttributeType.NUMBER
        format = self.choice(said, "format", NUMBER_FORMATS, path) if is_number else self.pattern(said, path)
        if format and not is_number and type_ not in (AttributeType.DATE, AttributeType.DATETIME):
            self.problem(f"{path}.format", _("only dates, datetimes and numbers have a format"))
        values = said.get("values", {})
        if not isinstance(values, dict):
            self.problem(f"{path}.values", _("not an object of words"))
        for key, wanted in (("split", str), ("trim", bool)):
            if key in said and (not isinstance(said[key], wanted) or said[key] == ""):
                self.problem(f"{path}.{key}", _("not a text") if wanted is str else _("not true or false"))
        if said.get("split") and type_ not in ("", AttributeType.LIST):
            self.problem(f"{path}.split", _("only lists are split"))
        empty = self.choice(said, "empty", ("skip", "missing"), path) or "skip"
        if len(self.problems) > n_before:
            return None
        return ValueReader(
            type=AttributeType(type_) if type_ else None,
            format=format,
            zone=zone or timezone.get_default_timezone(),
            split=said.get("split", ""),
            values=tuple(values.items()),
            trim=said.get("trim", True),
            empty_is_missing=empty == "missing",
        )

    def constants(self, mapping: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Values that every row has beside its own."""
        found: dict[str, dict[str, Any]] = {"traits": {}, "properties": {}}
        given = mapping.get("constants", {})
        if not isinstance(given, dict) or not all(isinstance(said, dict) for said in given.values()):
            self.problem("constants", _("not an object of “traits” and “properties”"))
            return found
        for name, said in given.items():
            if name not in found:
                self.problem(f"constants.{name}", _("unknown key; known: %(keys)s") % {"keys": ", ".join(found)})
            for key in said:
                if len(key) > MAX_KEY_LENGTH:
                    self.problem(
                        f"constants.{name}.{key}", _("the key is over %(n)d characters") % {"n": MAX_KEY_LENGTH}
                    )
            found[name] = said
        return found

    def event(self, event: Any) -> tuple[str, str]:
        """The name of the event that every row is, and the column that names it; one of them is empty."""
        if isinstance(event, str):
            if len(event) > MAX_KEY_LENGTH:
                self.problem("event", _("the name is over %(n)d characters") % {"n": MAX_KEY_LENGTH})
            if event in RESERVED_EVENTS:
                self.problem("event", _("the name is kept for Strata's own events"))
            return event, ""
        is_column = isinstance(event, dict) and event.keys() == {"column"}
        if is_column and isinstance(event["column"], str) and event["column"]:
            return "", event["column"]
        self.problem("event", _("neither a name nor {“column”: …}"))
        return "", ""

    def value(self, mapping: Mapping[str, Any], zone: tzinfo) -> Column | None:
        """`"column"` or `{"column": …, "key": …, "format": …}`: the number that counts; without a key, its property is
        the definition's own.
        """
        given = mapping.get("value")
        if given is None:
            return None
        said = {"column": given} if isinstance(given, str) else given
        names = ("column", "key", "format")
        if not isinstance(said, dict) or not said.get("column") or not all(isinstance(said[key], str) for key in said):
            self.problem("value", _("needs the name of a column, or an object with “column”"))
            return None
        for key in sorted(said.keys() - set(names)):
            self.problem(f"value.{key}", _("unknown key; known: %(keys)s") % {"keys": ", ".join(names)})
        format = self.choice(said, "format", NUMBER_FORMATS, "value")
        reader = ValueReader(type=AttributeType.NUMBER, format=format, zone=zone)
        return Column(said["column"], said.get("key", ""), reader)

    def time(self, mapping: Mapping[str, Any], zone: tzinfo) -> TimeReader | None:
        """`"column"`, `{"column": …, "format": …}` or `{"constant": …}`."""
        given = mapping.get("time", "")
        if given == "":
            return None
        said = {"column": given} if isinstance(given, str) else given
        names = ("column", "format", "constant")
        if not isinstance(said, dict) or bool(said.get("column")) == bool(said.get("constant")):
            self.problem("time", _("needs the name of a column, {“column”: …, “format”: …} or {“constant”: …}"))
            return None
        for key in sorted(said.keys() - set(names)):
            self.problem(f"time.{key}", _("unknown key; known: %(keys)s") % {"keys": ", ".join(names)})
        if said.get("column") is not None and not isinstance(said["column"], str):
            self.problem("time.column", _("not a text"))
            return None
        reader = TimeReader(zone=zone, column=said.get("column", ""), format=self.pattern(said, "time"))
        if reader.column:
            return reader
        try:
            return TimeReader(zone=zone, constant=reader.read(said["constant"]))
        except CellError as error:
            self.problem("time.constant", str(error))
            return None

    # --- small ones -------------------------------------------------------------------------------------------

    def zone(self, mapping: Mapping[str, Any]) -> tzinfo:
        name = self.text(mapping, "timezone")
        try:
            return ZoneInfo(name) if name else timezone.get_default_timezone()
        except (ZoneInfoNotFoundError, ValueError, OSError):  # the last: `America` is a folder of zones
            self.problem("timezone", _("“%(name)s” is no time zone, such as Asia/Shanghai") % {"name": name})
            return timezone.get_default_timezone()

    def encoding(self, mapping: Mapping[str, Any]) -> None:
        name = self.text(mapping, "encoding")
        if name and name.lower() not in ENCODINGS:
            self.problem("encoding", _("“%(name)s” is not known; known: utf-8, gb18030") % {"name": name})

    def delimiter(self, mapping: Mapping[str, Any]) -> None:
        delimiter = self.text(mapping, "delimiter")
        if delimiter and (len(delimiter) != 1 or delimiter in '"\r\n'):
            self.problem("delimiter", _("“%(delimiter)s” is not one character") % {"delimiter": delimiter})

    def pattern(self, said: Mapping[str, Any], path: str) -> str:
        written = self.text(said, "format", path)
        try:
            return date_pattern(written) if written else ""
        except ValueError as error:
            self.problem(f"{path}.format", str(error))
            return ""

    def text(self, said: Mapping[str, Any], key: str, path: str = "") -> str:
        found = said.get(key, "")
        if not isinstance(found, str):
            self.problem(f"{path}.{key}".lstrip("."), _("not a text"))
            return ""
        return found

    def choice(self, said: Mapping[str, Any], key: str, known: Collection[str], path: str) -> str:
        found = self.text(said, key, path)
        if found and found not in known:
            message = _("“%(value)s” is not known; known: %(known)s")
            self.problem(f"{path}.{key}".lstrip("."), message % {"value": found, "known": ", ".join(known)})
            return ""
        return found

    def names(self, mapping: Mapping[str, Any], key: str) -> tuple[str, ...]:
        found = mapping.get(key, [])
        if not isinstance(found, list) or not all(isinstance(item, str) and item for item in found):
            self.problem(key, _("not a list of columns"))
            return ()
        return tuple(found)


class Reporter:
    """The checker, as a target sees it: below one path."""

    def __init__(self, checker: Checker, path: str) -> None:
        self.checker = checker
        self.path = path

    @property
    def n_problems(self) -> int:
        return len(self.checker.problems)

    def problem(self, path: str, message: str) -> None:
        """`path` is below that of the target, such as `[0].tag`."""
        self.checker.problem(f"{self.path}{path}", message)


def reading_of(mapping: Any) -> dict[str, Any]:
    """What a mapping says of how its file is read, as far as it does: parts of a `Reading`."""
    said = mapping if isinstance(mapping, dict) else {}
    found: dict[str, Any] = {
        key: said[key] for key in ("format", "encoding", "delimiter") if isinstance(said.get(key), str)
    }
    if encoding := found.get("encoding"):
        found["encoding"] = ENCODINGS.get(encoding.lower(), encoding)
    found = {key: value for key, value in found.items() if value}
    return found if said.get("header", True) is not False else {**found, "has_header": False}
