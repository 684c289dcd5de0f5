"""Formats of dates as people write them, in the letters of spreadsheets and of programs."""

from __future__ import annotations

import re
from datetime import datetime

from django.utils.translation import gettext as _

SPECIAL_FORMATS = ("unix", "unix_ms", "excel")
WORD = re.compile(r"[Yy]+|M+|m+|[Dd]+|[Hh]+|[Ss]+|AM/PM|am/pm|[Aa]|Z|T|[A-Za-z]")
DIRECTIVES = {"YYYY": "%Y", "YY": "%y", "MMMM": "%B", "MMM": "%b", "DD": "%d", "D": "%d", "AM/PM": "%p", "A": "%p",
              "Z": "%z", "T": "T"}  # fmt: skip
SOME_TIME = datetime(2001, 2, 3, 16, 5, 6)  # noqa: DTZ001 - written and read again


def date_pattern(written: str) -> str:
    """`DD/MM/YYYY HH:mm` as strptime wants it; `unix`, `unix_ms`, `excel` (a number of days) and patterns with % stay.

    Small and capital letters are the same but for M: that is a month, or behind the hour the minute, whoever writes
    `HH:MM`. Raises ValueError where no date can be read by it.
    """
    if written in SPECIAL_FORMATS:
        return written
    pattern = written if "%" in written else translated(written)
    if not is_pattern(pattern):
        raise ValueError(
            _("“%(format)s” is no format of dates, such as DD/MM/YYYY HH:mm; also unix, unix_ms and excel")
            % {"format": written}
        )
    return pattern


def translated(written: str) -> str:
    """What is not known becomes a directive that strptime does not know either."""
    words = [word.upper() for word in WORD.findall(written)]
    hour = "%I" if {"A", "AM/PM"} & set(words) else "%H"
    found: list[str] = []
    for word in words:
        before = found[-1] if found else ""
        if word in ("H", "HH"):
            found.append(hour)
        elif word in ("M", "MM"):
            found.append("%M" if before == hour else "%m")
        elif word[0] == "S":
            found.append("%S" if before == "%M" else "%f")
        else:
            found.append(DIRECTIVES.get(word, "%!"))
    directives = iter(found)
    return WORD.sub(lambda _match: next(directives), written)


def is_pattern(pattern: str) -> bool:
    """Whether dates can be read by it: it names day, month and year, and each part once."""
    named = set(re.findall("%.", pattern))
    if not ("%d" in named and named & {"%m", "%b", "%B"} and named & {"%Y", "%y"}):
        return False
    try:
        datetime.strptime(SOME_TIME.strftime(pattern.replace("%z", "Z")), pattern)  # noqa: DTZ007 - only whether
    except (ValueError, re.error):  # the latter where a part is named twice
        return False
    return True
