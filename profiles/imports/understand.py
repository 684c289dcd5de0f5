"""What a row says, before it is known to whom: nothing here reads the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from django.conf import settings
from django.utils.translation import gettext as _

from cdp.json_field import has_nul
from profiles.identity.groups import Key
from profiles.identity.normalise import normalise
from profiles.imports.cells import SKIP, CellError, TimeReader, as_name, as_text, consent_state
from profiles.imports.mapping import Column, FileMapping
from profiles.imports.preview import CellProblem
from profiles.imports.readers import Row
from profiles.imports.targets.parts import is_switched_off
from profiles.ingest.coerce import MISFIT, coerce
from profiles.ingest.message import FIRST_TIME, MAX_AHEAD, RESERVED_EVENTS
from profiles.ingest.traits import MAX_KEY_LENGTH
from profiles.models import AttributeType, Consent, IdentifierKind, Source

SHORT = 4_000  # characters that a row may have before its size is looked at


@dataclass(slots=True)
class Understood:
    """A row, read. `identifiers` are by priority, then value. `occurred_at` is None where the mapping has no time.

    `traits` are as an identify message has them; `others` are, by target, what it read. `is_switched_off`: all that
    it says of a tag, a segment or a suppression is that it is not meant, which is no reason to refuse it.
    """

    row: Row
    identifiers: tuple[Key, ...]
    n_blocked: int
    traits: dict[str, Any]
    consents: dict[str, Consent.State]
    event: str
    properties: dict[str, Any]
    message_id: tuple[str, ...]
    occurred_at: datetime | None
    others: dict[str, Sequence[Any]]
    problems: list[CellProblem]
    is_switched_off: bool = False

    @property
    def says_something(self) -> bool:
        return bool(self.traits or self.consents or self.event or any(self.others.values()))

    @property
    def is_refused(self) -> bool:
        return bool(self.problems) and any(problem.is_refusal for problem in self.problems)

    def reason(self) -> str:
        return "; ".join(str(problem) for problem in self.problems if problem.is_refusal)


class Understanding:
    """Reads the rows of one file; kinds are looked up once."""

    def __init__(
        self,
        mapping: FileMapping,
        *,
        source: Source,
        kinds: Mapping[str, IdentifierKind],
        value_key: str,
        now: datetime,
    ) -> None:
        self.mapping = mapping
        self.region = source.default_region
        self.latest = now + MAX_AHEAD
        self.kinds = kinds
        self.identifier_columns: dict[str, list[str]] = {}  # the kinds that a cell may be, the first that fits counts
        for column in mapping.identifiers:
            self.identifier_columns.setdefault(column.name, []).append(column.key)
        self.ranks = {key: (kind.priority, kind.pk) for key, kind in kinds.items()}
        self.value_key = value_key
        # Attributes that are identifiers too, as those of an SDK's identify are.
        self.also_identifiers = [key for key in ("email", "phone") if key in kinds]
        self.unusable = _("“%(cell)s” is not usable as “%(kind)s”")  # a file may have one in every row
        self.labels = {key: _(kind.label) for key, kind in kinds.items()}

    def read(self, row: Row) -> Understood:
        """Everything that a row says, with all that is wrong with it."""
        understood = Understood(row, (), 0, {}, {}, "", {}, (), None, {}, [])
        if row.problem:
            understood.problems.append(CellProblem("", row.problem))
            return understood
        mapping, cells = self.mapping, row.cells
        self._read_columns(mapping.traits, cells, understood.traits, understood)
        if any(type(value) is list for value in understood.traits.values()):
            self._check_lists(understood)
        self._say_constants(mapping.constants, mapping.traits, understood.traits, understood)
        self._read_consents(cells, understood)
        self._read_event(cells, understood)
        self._read_identifiers(cells, understood)
        self._read_time(cells, understood)
        self._read_others(cells, understood)
        self._check_whole(understood)
        return understood

    def _read_columns(
        self, columns: Sequence[Column], cells: Mapping[str, Any], into: dict[str, Any], understood: Understood
    ) -> None:
        for column in columns:
            try:
                value = column.read.read(cells.get(column.name))
            except CellError as error:
                understood.problems.append(CellProblem(column.name, str(error)))
            else:
                if value is SKIP:
                    continue
                if column.key in into:
                    self._say(column, value, into, understood)
                else:
                    into[column.key] = value

    def _say(self, column: Column, value: Any, into: dict[str, Any], understood: Understood) -> None:
        """Of two columns for one key the one that is not empty counts; that one goes unheard is nobody's choice."""
        before = into.get(column.key)
        if value is None and before is not None:
            return
        if before is None or before == value:
            into[column.key] = value
            return
        said = _("two columns say different things of “%(key)s”: “%(one)s” and “%(other)s”")
        understood.problems.append(contradiction(column.name, said, column.key, before, value))

    def _say_constants(
        self, constants: Mapping[str, Any], columns: Sequence[Column], into: dict[str, Any], understood: Understood
    ) -> None:
        """A value of all rows stands where the row's own column is empty, and contradicts it as a column would."""
        for key, value in constants.items():
            before = into.get(key)
            if before is None or as_text(before) == as_text(value):
                into[key] = value
                continue
            name = next(column.name for column in columns if column.key == key)
            said = _("says “%(one)s” of “%(key)s”, the value for all rows says “%(other)s”")
            understood.problems.append(contradiction(name, said, key, before, value))

    def _check_lists(self, understood: Understood) -> None:
        """Refuse what would be kept with its message and be no attribute. As a property of an event it may be."""
        for column in self.mapping.traits:
            value = understood.traits.get(column.key)
            if isinstance(value, list) and coerce(value, AttributeType.LIST) is MISFIT:
                said = _("“%(cell)s” is a list of more than texts and numbers: no attribute can hold it")
                written = orjson.dumps(value, default=str).decode()[:60]
                understood.problems.append(CellProblem(column.name, said % {"cell": written}))

    def _read_consents(self, cells: Mapping[str, Any], understood: Understood) -> None:
        for column in self.mapping.consents:
            try:
                word = column.read.read(cells.get(column.name))
                if word is not SKIP and word is not None:
                    self._say(column, consent_state(word), understood.consents, understood)
            except CellError as error:
                understood.problems.append(CellProblem(column.name, str(error)))

    def _read_others(self, cells: Mapping[str, Any], understood: Understood) -> None:
        for key, checked in self.mapping.targets.items():
            try:
                said = understood.others[key] = checked.read(cells)
                if not said:
                    understood.is_switched_off |= is_switched_off(checked.parts, cells)
            except CellError as error:
                understood.problems.append(CellProblem(error.column, str(error)))

    def _read_event(self, cells: Mapping[str, Any], understood: Understood) -> None:
        mapping = self.mapping
        name = mapping.event or (mapping.event_column and as_text(cells.get(mapping.event_column)).strip())
        if not name:
            return
        if len(name) > MAX_KEY_LENGTH or name in RESERVED_EVENTS:
            understood.problems.append(CellProblem(mapping.event_column, _("is no name of an event")))
        understood.event = name
        flat: dict[str, Any] = {}
        self._read_columns(mapping.properties, cells, flat, understood)
        self._say_constants(mapping.constant_properties, mapping.properties, flat, understood)
        for key, value in flat.items():
            put(understood.properties, key, value)
        if mapping.value:
            found: dict[str, Any] = {}
            self._read_columns([mapping.value], cells, found, understood)
            for value in found.values():
                put(understood.properties, self.value_key, value)
        if mapping.message_id:
            self._read_message_id(mapping.message_id, cells, understood)

    def _read_message_id(self, names: Sequence[str], cells: Mapping[str, Any], understood: Understood) -> None:
        found: list[str] = []
        for name in names:
            try:
                found.append(as_name(cells.get(name)))
            except CellError as error:
                understood.problems.append(CellProblem(name, str(error)))
        if found and not any(found):
            written = ", ".join(names)
            understood.problems.append(CellProblem("", _("nothing in column %(names)s") % {"names": written}))
        understood.message_id = tuple(found)

    def _read_identifiers(self, cells: Mapping[str, Any], understood: Understood) -> None:
        found: list[tuple[int, Key]] = []
        for column, kind_keys in self.identifier_columns.items():
            self._read_identifier(column, kind_keys, cells.get(column), found, understood)
        for key in self.also_identifiers:
            value = understood.traits.get(key)
            if value is not None and not isinstance(value, bool | list | dict):
                self._read_identifier("", [key], value, found, understood)
        if len(found) > 1:
            found = sorted(set(found))
        understood.identifiers = tuple([key for _priority, key in found])

    def _read_identifier(
        self, column: str, kind_keys: Sequence[str], cell: Any, found: list[tuple[int, Key]], understood: Understood
    ) -> None:
        try:
            text = as_name(cell)
        except CellError as error:
            understood.problems.append(CellProblem(column, str(error)))
            return
        if not text:
            return
        for kind_key in kind_keys:
            value = normalise(self.kinds[kind_key], text, self.region)
            if value is not None:
                priority, kind_id = self.ranks[kind_key]
                found.append((priority, Key(kind_id, value)))
                return
        understood.n_blocked += 1
        message = self.unusable % {"cell": text[:60], "kind": " / ".join(self.labels[key] for key in kind_keys)}
        understood.problems.append(CellProblem(column, message, is_refusal=False))

    def _read_time(self, cells: Mapping[str, Any], understood: Understood) -> None:
        reader = self.mapping.time
        if reader is None:
            return
        try:
            understood.occurred_at = self._time(reader, cells)
        except CellError as error:
            understood.problems.append(CellProblem(reader.column, str(error)))

    def _time(self, reader: TimeReader, cells: Mapping[str, Any]) -> datetime:
        time = reader.constant or reader.read(cells.get(reader.column))
        if time > self.latest:
            raise CellError(_("time %(time)s is more than 24 hours ahead") % {"time": time.isoformat()})
        if time < FIRST_TIME:
            raise CellError(_("time %(time)s is before 1970") % {"time": time.isoformat()})
        return time

    def _check_whole(self, understood: Understood) -> None:
        """Whether there is somebody, and something to say of them; and whether the database can hold it."""
        row = understood.row
        if not understood.identifiers:
            understood.problems = [CellProblem(problem.column, problem.message) for problem in understood.problems] or [
                CellProblem(
                    "",
                    _("nothing in column %(names)s: nobody is named")
                    % {"names": ", ".join(column.name for column in self.mapping.identifiers)},
                )
            ]
        elif not (understood.says_something or understood.is_switched_off or understood.is_refused):
            understood.problems.append(CellProblem("", _("says nothing")))
        whole = whole_text(row)
        if "\0" in whole or ("\\u0000" in whole and has_nul(row.cells)):
            understood.problems.append(CellProblem("", _("holds a NUL character, which a database text cannot hold")))
        if len(whole) > SHORT:
            self._check_size(understood)

    def _check_size(self, understood: Understood) -> None:
        size = max(len(orjson.dumps(said)) for said in (understood.traits, understood.properties))
        if size > settings.COLLECT_MAX_MESSAGE_BYTES:
            kilobytes = settings.COLLECT_MAX_MESSAGE_BYTES // 1024
            understood.problems.append(CellProblem("", _("larger than %(n)d KB of UTF-8 JSON") % {"n": kilobytes}))


def whole_text(row: Row) -> str:
    """All cells of a row; what is no text as JSON."""
    try:
        return "".join(row.text)
    except TypeError:
        return "".join(cell if isinstance(cell, str) else orjson.dumps(cell, default=str).decode() for cell in row.text)


def put(properties: dict[str, Any], path: str, value: Any) -> None:
    """`order.total` as `{"order": {"total": …}}`, where rules look for it; as it is where a name is empty or taken."""
    if "." not in path:
        properties[path] = value
        return
    *way, last = names = path.split(".")
    inner = properties
    if all(names):
        for name in way:
            found = inner.setdefault(name, {})
            if not isinstance(found, dict):
                break
            inner = found
        else:
            inner[last] = value
            return
    properties[path] = value


def contradiction(column: str, said: str, key: str, one: Any, other: Any) -> CellProblem:
    """Two values of one key, in a sentence with `key`, `one` and `other` in it."""
    return CellProblem(column, said % {"key": key, "one": in_words(one), "other": in_words(other)})


def in_words(value: Any) -> str:
    """The beginning of what a cell was understood as."""
    return str(value.label) if isinstance(value, Consent.State) else as_text(value)[:60]
