"""Values of golden records in words, in the active language."""

from __future__ import annotations

import json
import unicodedata
from datetime import datetime
from typing import Any

from django.utils import formats
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext

from cdp.clocks import on_clocks

# Classes of characters that change the direction of what follows.
TURNING = frozenset({"R", "AL", "AN", "LRE", "LRO", "RLE", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
START_OF_ISOLATE, END_OF_ISOLATE = "\u2068", "\u2069"


def isolated(text: str) -> str:
    """Text for the middle of a sentence: where it runs from right to left, or turns what follows, it is kept apart."""
    if not any(unicodedata.bidirectional(character) in TURNING for character in text):
        return text
    return f"{START_OF_ISOLATE}{text.replace(END_OF_ISOLATE, '')}{END_OF_ISOLATE}"


def in_words(value: Any) -> str:
    """Yes and no, local times, lists with commas; nothing is a dash."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return gettext("Yes") if value else gettext("No")
    if isinstance(value, int | float):
        return str(formats.localize(value))
    if isinstance(value, list):
        return ", ".join(in_words(item) for item in value) or "-"
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return as_local_time(str(value))


def as_local_time(text: str) -> str:
    """UTC times in the fixed width of the golden record become times of the business zone; other text stays."""
    if len(text) == len("2026-01-01T00:00:00.000000Z") and text.endswith("Z"):
        moment = parse_datetime(text)
        if moment is not None:
            return local_time(moment)
    return text


def local_time(moment: datetime) -> str:
    """To the minute, in the business zone."""
    return on_clocks(moment).replace(tzinfo=None).isoformat(" ", "minutes")
