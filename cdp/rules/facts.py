"""What was found of a person, as the evidence for a condition that holds or does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext as _

from cdp.clocks import on_clocks
from cdp.rules.days import TICK, Period, business_day
from cdp.templatetags.numbers import span
from cdp.values import in_words, isolated, local_time

N_DIGITS = 4  # behind the point, of what is shown of an average or a sum


class Owner(NamedTuple):
    """What a value is of: an `attribute`, `property`, `identifier` or `score` of this key, path, kind or field."""

    kind: str
    key: str


@dataclass(frozen=True)
class Fact:
    """`says` is a sentence with %(value)s, where there is one, and the words of `parts`, which are nobody's secret.

    `value` is as JSON has it; without an `owner` it is a number that we counted. `at` is when it happened.
    """

    says: Promise | str
    parts: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    value: Any = None
    owner: Owner | None = None
    at: datetime | None = None

    @property
    def text(self) -> str:
        """The sentence in the active language."""
        shown = round(self.value, N_DIGITS) if isinstance(self.value, float) else self.value
        return str(self.says % {**self.parts, "value": isolated(in_words(shown))})


def ago(at: datetime, now: datetime) -> str:
    """Such as "12 days ago: 2026-11-10 09:12"."""
    words = _("%(span)s ago: %(time)s") if at <= now else _("in %(span)s: %(time)s")
    return words % {"span": span(abs(now - at)), "time": local_time(at)}


def since(period: Period, now: datetime) -> str:
    """A period up to `now` or to an earlier end, such as "since 2026-10-23"; "" for ever."""
    start, end = period
    if end is not None and end <= now:
        last = _edge(end - TICK if _is_midnight(end) else end)
        if start is None:
            return _("until %(day)s") % {"day": last}
        return _("from %(first)s to %(last)s") % {"first": _edge(start), "last": last}
    return _("since %(day)s") % {"day": _edge(start)} if start is not None else ""


def _edge(moment: datetime) -> str:
    """A whole day where it begins or ends one."""
    if _is_midnight(moment) or _is_midnight(moment + TICK):
        return business_day(moment).isoformat()
    return local_time(moment)


def _is_midnight(moment: datetime) -> bool:
    local = on_clocks(moment)
    return (
        timedelta(hours=local.hour, minutes=local.minute, seconds=local.second) + local.microsecond * TICK
        == timedelta()
    )
