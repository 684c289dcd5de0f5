"""Cells as values: what people and programs write in files, in Chinese and English."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Any, Final

import orjson
from django.utils.translation import gettext as _

from cdp.clocks import on_clocks
from profiles.ingest.coerce import MAX_EXACT, MISFIT, coerce
from profiles.ingest.times import parse_time
from profiles.models import AttributeType, Consent


class CellError(ValueError):
    """A cell that cannot be read; the text says why, and quotes it. `column` is where it stands, "" where the reader
    knows no column.
    """

    def __init__(self, message: str, *, column: str = "") -> None:
        super().__init__(message)
        self.column = column


class _Skip:
    """The type of SKIP."""


SKIP: Final = _Skip()  # the cell says nothing

LOCAL_TIME = re.compile(
    r"(\d{4})(?:[-/.]|年)(\d{1,2})(?:[-/.]|月)(\d{1,2})日?(?:[ T]*(\d{1,2})[:时](\d{1,2})(?:[:分](\d{1,2})秒?)?分?)?",
    re.ASCII,
)
COMPACT_TIME = re.compile(r"(\d{4})(\d{2})(\d{2})(?:[ T]?(\d{2}):?(\d{2}):?(\d{2})?)?", re.ASCII)
ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
CURRENCY = re.compile(r"^[¥￥$€£]\s*|\s*[元€]$")
GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d*)?", re.ASCII)  # 0,125 and 1234,567 are no thousands
DECIMAL_COMMA = "1.234,5"  # the format of numbers that are written so
WITH_COMMA = re.compile(r"[+-]?(?:[1-9]\d{0,2}(?:\.\d{3})+|\d+)(?:,\d+)?", re.ASCII)
TWO_WAYS = re.compile(r"[+-]?[.,]*\d[\d.,]*", re.ASCII)  # a number in one country, and another or none elsewhere
BOOLEANS = {
    **dict.fromkeys(("是", "有", "对", "√", "y", "t", "on"), True),
    **dict.fromkeys(("否", "无", "没有", "×", "n", "f", "off"), False),
}
GRANTED = ("granted", "true", "yes", "y", "1", "是", "同意", "接受", "订阅", "已订阅", "允许", "开", "√", "✓", "✔")
DENIED = (
    "denied", "false", "no", "n", "0", "否", "不同意", "拒绝", "退订", "已退订", "取消订阅", "不允许", "关",
    "×", "✗", "✘",
)  # fmt: skip
CONSENT_WORDS = dict.fromkeys(GRANTED, Consent.State.GRANTED) | dict.fromkeys(DENIED, Consent.State.DENIED)
# 6.22848E+17: what a spreadsheet makes of a long number. A card named 622848E17 has no sign and no point.
SHORTENED = re.compile(r"[+-]?\d(?:[.,]\d+[eE]\+?|[eE]\+)\d{1,3}", re.ASCII)
EXAMPLES = {
    AttributeType.DATE: "2026-01-31",
    AttributeType.DATETIME: "2026-01-31 09:05",
    AttributeType.NUMBER: "1234.5",
}
EXCEL_EPOCH = datetime(1899, 12, 30)  # noqa: DTZ001 - counts days of whatever zone


@lru_cache(maxsize=50_000)  # days and minutes come again and again
def to_time(written: str, zone: tzinfo, format: str) -> datetime | None:
    """An aware time in UTC; None where it is none. `zone` is that of a time without one."""
    try:
        if format in ("unix", "unix_ms"):
            return datetime.fromtimestamp(float(written) / (1000 if format == "unix_ms" else 1), tz=UTC)
        if format == "excel":
            return (EXCEL_EPOCH + timedelta(days=float(written))).replace(tzinfo=zone).astimezone(UTC)
        if format:
            time = datetime.strptime(written, format)  # noqa: DTZ007 - the zone comes below
            return (time if time.tzinfo else time.replace(tzinfo=zone)).astimezone(UTC)
        if match := LOCAL_TIME.fullmatch(written) or COMPACT_TIME.fullmatch(written):
            year, month, day, hour, minute, second = (int(part or 0) for part in match.groups())
            return datetime(year, month, day, hour, minute, second, tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return parse_time(written, zone=zone)


def is_day(written: str) -> bool:
    """Whether a time is written without an hour."""
    match = LOCAL_TIME.fullmatch(written) or COMPACT_TIME.fullmatch(written)
    return match is not None and match[4] is None


def end_of_day(time: datetime, zone: tzinfo) -> datetime:
    """The same hour of the day behind; behind the last of the calendar comes none, and its last instant ends it."""
    try:
        return (on_clocks(time, zone) + timedelta(days=1)).astimezone(UTC)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class TimeReader:
    """The time of a row: of a column, or the same for all."""

    zone: tzinfo
    column: str = ""
    format: str = ""
    constant: datetime | None = None

    def read(self, cell: Any) -> datetime:
        """Raises CellError."""
        written = as_text(cell).strip()
        time = to_time(written, self.zone, self.format)
        if time is None:
            raise CellError(_("“%(cell)s” is not a time such as 2026-01-31 09:05") % {"cell": written[:60]})
        return time

    def read_end(self, cell: Any) -> datetime:
        """The first instant that is no longer meant: a day without an hour counts whole. Raises CellError."""
        time = self.read(cell)
        return end_of_day(time, self.zone) if is_day(as_text(cell).strip()) else time


@dataclass(frozen=True)
class ValueReader:
    """How the cells of a column become values. Without a type, texts stay texts.

    `split` cuts a text into a list; `values` are words and what they stand for. An empty cell says nothing, or, with
    `empty_is_missing`, that there is no value.
    """

    type: AttributeType | None = None
    format: str = ""
    zone: tzinfo = UTC
    split: str = ""
    values: tuple[tuple[str, Any], ...] = ()
    trim: bool = True
    empty_is_missing: bool = False
    words: Mapping[str, Any] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "words", dict(self.values))

    def read(self, cell: Any) -> Any:
        """The value, None for missing, or SKIP. Raises CellError."""
        if isinstance(cell, str) and self.trim:
            cell = cell.strip()
        if cell is None or cell == "":
            return None if self.empty_is_missing else SKIP
        if self.words and (word := as_text(cell)) in self.words:
            return self.words[word]
        if self.split and isinstance(cell, str):
            return [part for item in cell.split(self.split) if (part := item.strip())]
        return typed(cell, self.type, self.zone, self.format) if self.type else cell


def typed(cell: Any, type_: AttributeType, zone: tzinfo, format: str) -> Any:
    """A cell as a value of a type: as `coerce` has it, and in the ways of people who write tables."""
    value = _READERS[type_](cell, zone, format) if type_ in _READERS else cell
    found = coerce(value, type_)
    if found is MISFIT or found is None:
        example = "" if format else EXAMPLES.get(type_, "")
        said = _("“%(cell)s” is not of the type “%(type)s”")
        if example:
            said = _("“%(cell)s” is not of the type “%(type)s”, such as %(example)s")
        raise CellError(said % {"cell": as_text(cell)[:60], "type": AttributeType(type_).label, "example": example})
    return found


def as_text(cell: Any) -> str:
    """A cell as somebody wrote it: numbers without `.0` behind whole ones, lists and objects as JSON."""
    if isinstance(cell, str):
        return cell
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, list | dict):
        return orjson.dumps(cell, default=str).decode()
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() and abs(cell) < MAX_EXACT else str(cell)


def as_name(cell: Any) -> str:
    """A cell that names somebody or something, without space around it; "" where it is empty.

    Raises CellError for what is no text and no number, and for a number that is not what it was: others became the
    same one.
    """
    if isinstance(cell, str):
        return unshortened(cell.strip())
    if isinstance(cell, bool | list | dict):
        raise CellError(
            _("“%(cell)s” is not a text or a number, so it names nobody and nothing") % {"cell": as_text(cell)[:60]}
        )
    text = as_text(cell).strip()
    if isinstance(cell, float) and abs(cell) >= MAX_EXACT:
        raise CellError(
            _("“%(cell)s” is a number whose last digits are lost: write the column as text where the file is made")
            % {"cell": text[:60]}
        )
    return text


def unshortened(text: str) -> str:
    """The text, which a spreadsheet has not made of a long number. Raises CellError."""
    if SHORTENED.fullmatch(text):
        raise CellError(
            _("“%(cell)s” is a number that a spreadsheet shortened: format the column as text there, and save it anew")
            % {"cell": text}
        )
    return text


def _number(cell: Any, zone: tzinfo, format: str) -> Any:
    """`¥1,234.50`, full-width digits, an amount with 元; with the format DECIMAL_COMMA `1.234,50 €`."""
    if not isinstance(cell, str):
        return cell
    plain = CURRENCY.sub("", cell if cell.isascii() else unicodedata.normalize("NFKC", cell).replace("¥", "").strip())
    if format == DECIMAL_COMMA:
        return plain.replace(".", "").replace(",", ".") if WITH_COMMA.fullmatch(plain) else MISFIT
    if "," not in plain:
        return plain
    if not TWO_WAYS.fullmatch(plain):
        return MISFIT  # nor would it be a number with another format
    if not GROUPED.fullmatch(plain):
        raise CellError(
            _("“%(cell)s” is no number such as 1,234.5; where the comma is decimal, the column has the format 1.234,5")
            % {"cell": cell[:60]}
        )
    return plain.replace(",", "")


def _boolean(cell: Any, zone: tzinfo, format: str) -> Any:
    return BOOLEANS.get(cell.strip().lower(), cell) if isinstance(cell, str) else cell


def _date(cell: Any, zone: tzinfo, format: str) -> Any:
    """The day in the file's own zone."""
    written = as_text(cell)
    if not format and ISO_DATE.fullmatch(written):
        return written
    time = to_time(written, zone, format)
    return cell if time is None else on_clocks(time, zone).date().isoformat()


def _datetime(cell: Any, zone: tzinfo, format: str) -> Any:
    time = to_time(as_text(cell), zone, format)
    return cell if time is None else time.isoformat()


def _list(cell: Any, zone: tzinfo, format: str) -> Any:
    return cell if isinstance(cell, list) else [cell]


_READERS: dict[AttributeType, Callable[[Any, tzinfo, str], Any]] = {
    AttributeType.NUMBER: _number,
    AttributeType.BOOLEAN: _boolean,
    AttributeType.DATE: _date,
    AttributeType.DATETIME: _datetime,
    AttributeType.LIST: _list,
}


def consent_state(word: Any) -> Consent.State:
    """Granted or denied. Raises CellError."""
    state = CONSENT_WORDS.get(as_text(word).strip().lower())
    if state is None:
        raise CellError(
            _("“%(cell)s” is not yes or no, 1 or 0, granted or denied, 同意 or 拒绝") % {"cell": as_text(word)[:60]}
        )
    return state
