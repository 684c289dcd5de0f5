"""What columns probably mean, by their names and by their cells; whoever uploads corrects it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC
from typing import Any

import email_validator
import phonenumbers

from profiles.imports.cells import (
    BOOLEANS,
    CONSENT_WORDS,
    CURRENCY,
    DECIMAL_COMMA,
    GROUPED,
    WITH_COMMA,
    as_text,
    to_time,
)
from profiles.imports.facts import FileFacts
from profiles.imports.names import (
    AMOUNTS,
    CHANGE_TIMES,
    CHANNELS,
    CONSENTS,
    EVENT_NAMES,
    EVENT_TIMES,
    IDENTIFIERS,
    MESSAGE_IDS,
    ORDER_TIMES,
    TRAITS,
)
from profiles.imports.readers.row import REPORT_COLUMNS
from profiles.imports.targets import all_targets
from profiles.models import AttributeType

SHARE = 0.8  # of the filled cells that must be of a kind
SPLITS = (";", "；", "、", ",", "，", "|")  # between the items of one cell

ORDER = "Order Completed"
LONG_NUMBER = re.compile(r"\d{12,}")
NUMBER = re.compile(r"[+-]?(0|[1-9]\d{0,11})(\.\d+)?|[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?", re.ASCII)


def folded(name: str) -> str:
    """`Order No.`, `order-no` and `ORDER_NO` are one name; full-width letters are letters."""
    return re.sub(r"[\s_\-.:：()（）*#]+", "", unicodedata.normalize("NFKC", name)).lower()


def names(written: str) -> frozenset[str]:
    return frozenset(folded(name) for name in written.split())


class Attributes:
    """The attributes that there are: their types by key, and the keys by all that their columns may be called."""

    def __init__(self, rows: Iterable[tuple[str, str, str]] = ()) -> None:
        """`rows` are key, label and type."""
        rows = list(rows)
        self.types = {key: type_ for key, _label, type_ in rows}
        self.keys = {folded(label): key for key, label, _type in rows if label}
        self.keys |= {folded(key): key for key in self.types}

    def named(self, column: str) -> str | None:
        """The key of the attribute that a column is probably."""
        return self.keys.get(folded(column))

    def read(self, key: str, cells: Sequence[str]) -> dict[str, Any] | str:
        """How a mapping says that a column fills one of these. By another type than its own, values would not count."""
        type_ = self.types[key]
        if type_ == AttributeType.TEXT:
            return key
        split = next((split for split in SPLITS if any(split in cell for cell in cells)), "")
        return {"key": key, "type": type_} | ({"split": split} if type_ == AttributeType.LIST and split else {})


def guess(facts: FileFacts, *, region: str, attributes: Attributes) -> dict[str, Any]:
    """A mapping in JSON. Columns of which nothing is known become attributes, or properties of the order."""
    columns = [name for name in dict.fromkeys(facts.columns) if name and name not in REPORT_COLUMNS]
    filled = {name: filled_cells(facts.sample, name) for name in columns}
    left = dict.fromkeys(columns)
    mapping: dict[str, Any] = {}
    order = take(left, names(MESSAGE_IDS))
    amount = take(left, names(AMOUNTS)) if order else None
    event_column = take(left, names(EVENT_NAMES))
    time = take(left, names(ORDER_TIMES)) if order or amount or event_column else None
    if time is None and (order or event_column):
        time = take(left, names(EVENT_TIMES))
    is_event = bool(event_column or (order and time))
    consents = take_channels(left, filled)
    mapping["identifiers"] = identifiers(left, filled, region)
    consents |= {name: key for key, known in CONSENTS.items() if (name := take_answers(left, filled, names(known)))}
    traits = person(left, filled, attributes)
    parts = targets_of(left, filled)
    may_have_comma = (
        facts.delimiter != ","
    )  # where it stands between the columns, one in a cell is between other things
    rest = others(left, filled, may_have_comma) if facts.has_header else {}  # a number is no name of an attribute
    if is_event:
        mapping["event"] = {"column": event_column} if event_column else ORDER
        properties = {name: {"key": "order_id", "type": "text"} for name in [order] if name}
        if amount:
            properties[amount] = {"key": "total", "type": "number"}
        mapping |= {"properties": {**properties, **rest}}
        if order:
            mapping["message_id"] = [order]
        if time is None:
            time = first_time(rest, filled)
        if time:
            mapping["properties"].pop(time, None)
            mapping["time"] = time
    else:
        for name in (order, amount):
            if name:
                rest[name] = {"key": name, "type": "number" if name == amount else "text"}
        traits |= rest | known(rest, filled, attributes, taken=traits)
        if changed := next((name for name in traits if folded(name) in names(CHANGE_TIMES)), None):
            del traits[changed]
            mapping["time"] = changed
    mapping["traits"] = traits
    mapping["consents"] = consents
    mapping |= parts
    if may_have_comma:
        for column in with_decimal_comma(traits | mapping.get("properties", {}), filled):
            column["format"] = DECIMAL_COMMA
    found = {key: value for key, value in mapping.items() if value}
    return found if facts.has_header else {"header": False, **found}


def with_decimal_comma(columns: dict[str, Any], filled: dict[str, list[str]]) -> Iterator[dict[str, Any]]:
    """The numbers among these columns that are written `1.234,5`: all may be, and one can be nothing else."""
    for name, said in columns.items():
        if isinstance(said, dict) and said.get("type") == "number" and is_with_decimal_comma(filled[name]):
            yield said


def is_with_decimal_comma(cells: Sequence[str]) -> bool:
    """Also with a currency before or behind."""
    plain = [CURRENCY.sub("", cell) for cell in cells]
    return mostly(plain, lambda cell: WITH_COMMA.fullmatch(cell) is not None) and any(
        "," in cell and not GROUPED.fullmatch(cell) for cell in plain if WITH_COMMA.fullmatch(cell)
    )


def take(left: dict[str, None], known: frozenset[str]) -> str | None:
    """The first column of such a name, which is then taken."""
    found = next((name for name in left if folded(name) in known), None)
    if found is not None:
        del left[found]
    return found


def take_answers(left: dict[str, None], filled: dict[str, list[str]], known: frozenset[str]) -> str | None:
    """As `take`, a column with a yes or a no among its cells, or with none filled: 接收邮箱 may be an address too."""
    answers = (name for name in left if not filled[name] or any(is_answer(cell) for cell in filled[name]))
    found = take(dict.fromkeys(answers), known)
    left.pop(found or "", None)
    return found


def take_channels(left: dict[str, None], filled: dict[str, list[str]]) -> dict[str, str]:
    """Columns called like a channel alone that say yes or no, before 邮件 and 电话 count as addresses."""
    answers = [name for name in left if mostly(filled[name], is_answer)]
    found = {
        name: channel
        for channel, written in CHANNELS.items()
        for name in answers
        if folded(name) in names(" ".join(written))
    }
    for name in found:
        del left[name]
    return found


def is_answer(cell: str) -> bool:
    return cell.lower() in CONSENT_WORDS


def identifiers(left: dict[str, None], filled: dict[str, list[str]], region: str) -> dict[str, Any]:
    """By name; where no name says who it is, by cells that are phone numbers or addresses of e-mail, or now the one and
    now the other.
    """
    found: dict[str, Any] = {}
    for kind, written in IDENTIFIERS.items():
        while (name := take(left, names(written))) is not None:
            found[name] = kind
    for name in list(left):
        for kind, is_kind in (("email", is_email), ("phone", lambda cell: is_phone(cell, region))):
            if kind not in found.values() and mostly(filled[name], is_kind):
                found[name] = kind
                left.pop(name, None)
    if not found:
        for name in list(left):
            if mostly(filled[name], lambda cell: is_email(cell) or is_phone(cell, region)):
                found[name] = ["email", "phone"]
                del left[name]
    return found


def person(left: dict[str, None], filled: dict[str, list[str]], attributes: Attributes) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, (written, type_) in TRAITS.items():
        if (name := take(left, names(written))) is not None:
            if key in attributes.types:
                found[name] = attributes.read(key, filled[name])
            else:
                found[name] = {"key": key, "type": type_} if type_ else key
    return found


def known(
    columns: Collection[str], filled: dict[str, list[str]], attributes: Attributes, *, taken: Mapping[str, Any]
) -> dict[str, Any]:
    """Those of the columns that are called like an attribute, by its key or label, as that; by a label, one column for
    each, and none for one that is `taken`.
    """
    found = {name: attributes.read(name, filled[name]) for name in columns if name in attributes.types}
    keys = {said["key"] if isinstance(said, dict) else said for said in [*taken.values(), *found.values()]}
    for name in columns:
        if name not in found and (key := attributes.named(name)) is not None and key not in keys:
            keys.add(key)
            found[name] = attributes.read(key, filled[name])
    return found


def targets_of(left: dict[str, None], filled: dict[str, list[str]]) -> dict[str, Any]:
    """What tags, segments and suppressions know as theirs, by target."""
    parts = {}
    for key, target in all_targets().items():
        parts[key], columns = target.guess({name: filled[name] for name in left})
        for name in columns:
            del left[name]
    return parts


def others(left: dict[str, None], filled: dict[str, list[str]], may_have_comma: bool) -> dict[str, Any]:
    """Columns whose names say nothing, under their own names, typed by their cells."""
    found: dict[str, Any] = {}
    for name in left:
        type_ = "number" if may_have_comma and is_with_decimal_comma(filled[name]) else type_of(filled[name])
        found[name] = {"key": name, "type": type_} if type_ else name
    return found


def first_time(columns: dict[str, Any], filled: dict[str, list[str]]) -> str | None:
    return next((name for name in columns if mostly(filled[name], is_time)), None)


def type_of(cells: Sequence[str]) -> str:
    """The type of a column by its cells; "" for text. Numbers with leading zeros and long ones are names of things."""
    if not cells:
        return ""
    words = {cell.strip().lower() for cell in cells}
    if words <= (BOOLEANS.keys() | CONSENT_WORDS.keys() | {"true", "false"}) - {"0", "1"} and len(words) <= 2:
        return "boolean" if words <= BOOLEANS.keys() | {"true", "false", "yes", "no"} else ""
    if mostly(cells, lambda cell: NUMBER.fullmatch(cell) is not None and not LONG_NUMBER.search(cell)):
        return "number"
    if mostly(cells, is_time):
        return "datetime" if any(":" in cell or "时" in cell for cell in cells) else "date"
    return ""


def filled_cells(sample: Iterable[dict[str, Any]], name: str) -> list[str]:
    return [text for row in sample if (text := as_text(row.get(name)).strip())]


def mostly(cells: Sequence[str], is_kind: Callable[[str], bool]) -> bool:
    return bool(cells) and sum(map(is_kind, cells)) >= SHARE * len(cells)


def is_time(cell: str) -> bool:
    """A date with its separators: eight digits may be anything."""
    return not cell.isdigit() and to_time(cell, UTC, "") is not None


def is_email(cell: str) -> bool:
    if "@" not in cell:
        return False
    try:
        email_validator.validate_email(cell, check_deliverability=False)
    except email_validator.EmailNotValidError:
        return False
    return True


def is_phone(cell: str, region: str) -> bool:
    """A whole number that could be somebody's mobile phone; a number of seven digits may be anything."""
    if sum(letter.isdigit() for letter in cell) < 10:
        return False
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(cell, region))
    except phonenumbers.NumberParseException:
        return False
