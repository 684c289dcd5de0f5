"""The rule oracle: plain Python that decides a rule for a person given as plain data, straight from the contract."""

from __future__ import annotations

import calendar
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from itertools import pairwise, product
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings

DAY = timedelta(days=1)
MISSING = object()
NIL = UUID(int=0)
JSON_TYPES: dict[str, Any] = {
    "text": str,
    "number": (int, float),
    "boolean": bool,
    "date": str,
    "datetime": str,
    "list": list,
}
COMPLEMENTS = {
    "ne": "eq",
    "not_in": "in",
    "not_contains": "contains",
    "has_none": "has_any",
    "not_in_last": "in_last",
    "unset": "set",
}


@dataclass
class Person:
    """`events` are dicts of name, occurred_at, value, properties; `tags` {key: (value, expires_at)}; `tiers` {scheme:
    tier}; `identifiers` kinds; `consents` {channel: [(occurred_at, state)]}.
    """

    attributes: dict[str, Any] = field(default_factory=dict)
    created_at: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    first_seen_at: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    last_seen_at: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    public_id: UUID = NIL
    events: list[dict[str, Any]] = field(default_factory=list)
    tags: dict[str, tuple[str | None, datetime | None]] = field(default_factory=dict)
    segments: dict[str, datetime] = field(default_factory=dict)  # entered_at
    scores: dict[str, dict[str, Any]] = field(default_factory=dict)
    tiers: dict[str, str] = field(default_factory=dict)
    identifiers: set[str] = field(default_factory=set)
    consents: dict[str, list[tuple[datetime, str]]] = field(default_factory=dict)

    @property
    def is_known(self) -> bool:
        return bool(self.identifiers & {"user_id", "email"})


def zone() -> ZoneInfo:
    """The business zone."""
    return ZoneInfo(settings.TIME_ZONE)


def holds(rule: dict[str, Any], person: Person, types: dict[str, str], now: datetime) -> bool:
    """Whether the rule holds; `types` are those of attributes, and of scores as `model.field`."""
    match rule:
        case {"all": nodes}:
            return all(holds(node, person, types, now) for node in nodes)
        case {"any": nodes}:
            return any(holds(node, person, types, now) for node in nodes)
        case {"not": node}:
            return not holds(node, person, types, now)
        case {"op": "attribute", "key": "created_at" | "first_seen_at" | "last_seen_at" | "is_known" as key}:
            value = getattr(person, key)
            return compare("boolean" if key == "is_known" else "datetime", rule, value, now)
        case {"op": "attribute", "key": key}:
            return compare(types[key], rule, person.attributes.get(key, MISSING), now)
        case {"op": "score", "model": model, "field": name}:
            return compare(types[f"{model}.{name}"], rule, person.scores.get(model, {}).get(name, MISSING), now)
        case {"op": "tag", "key": key}:
            value, expires_at = person.tags.get(key, (None, datetime.min.replace(tzinfo=UTC)))
            is_live = expires_at is None or expires_at > now
            return is_live and ("value" not in rule or value in rule["value"])
        case {"op": "segment", "key": key}:
            entered_at = person.segments.get(key)
            return entered_at is not None and ("for_days" not in rule or entered_at <= now - rule["for_days"] * DAY)
        case {"op": "tier", "scheme": scheme, "in": tiers}:
            return person.tiers.get(scheme) in tiers
        case {"op": "identifier", "kind": kind}:
            return kind in person.identifiers
        case {"op": "consent", "channel": channel, "is": state}:
            last = max(person.consents.get(channel, []), key=lambda word: (word[0], word[1] == "denied"), default=None)
            return bool(state == (last[1] if last else "unknown"))
        case {"op": "bucket", "salt": salt, "from": low, "to": high}:
            drawn = hashlib.md5(f"{salt}:{person.public_id}".encode(), usedforsecurity=False).hexdigest()
            place = Fraction(int(drawn[:8], 16) * 100, 2**32)
            return Fraction(repr(low)) <= place < Fraction(repr(high))
        case {"op": "event_recency", "which": which, "is": word, "days": n}:
            times = [event["occurred_at"] for event in meeting(rule, person.events, now)]
            chosen = (min if which == "first" else max)(times, default=None)
            return chosen is not None and (chosen > now - n * DAY) == (word == "within")
        case {"op": "sequence"}:
            return any(follow(times, rule, person.events, now) for times in sequences(rule, person.events, now))
        case {"op": "event"}:
            asked = rule if "is" in rule else {"is": "gte", "value": 1}
            return compare("number", asked, measure(rule, person.events, now), now)
    raise AssertionError(rule)


def compare(type_: str | None, asked: dict[str, Any], value: Any, now: datetime) -> bool:
    word: str = asked["is"]
    rhs: Any = asked.get("value")
    if word in COMPLEMENTS:
        return not compare(type_, {**asked, "is": COMPLEMENTS[word]}, value, now)
    if is_missing(value, type_):
        return False
    if word == "set":
        return True
    if type_ in ("date", "datetime"):
        return compare_moment(type_, word, rhs, moment(value), now)
    match word:
        case "eq":
            return bool(value == rhs)
        case "in":
            return value in rhs
        case "lt":
            return bool(value < rhs)
        case "lte":
            return bool(value <= rhs)
        case "gt":
            return bool(value > rhs)
        case "gte":
            return bool(value >= rhs)
        case "between":
            return bool(rhs[0] <= value <= rhs[1])
        case "contains":
            return rhs.lower() in value.lower()
        case "starts_with":
            return bool(value.lower().startswith(rhs.lower()))
        case "ends_with":
            return bool(value.lower().endswith(rhs.lower()))
        case "matches":
            return re.search(re.sub(r"\$$", r"\\Z", rhs), value, re.ASCII | re.DOTALL) is not None
        case "has":
            return any(same(item, rhs) for item in value)
        case "has_any":
            return any(same(item, wanted) for item in value for wanted in rhs)
        case "has_all":
            return all(any(same(item, wanted) for item in value) for wanted in rhs)
    raise AssertionError(word)


def is_missing(value: Any, type_: str | None) -> bool:
    if value is MISSING or value is None or isinstance(value, datetime | Fraction):
        return value is MISSING or value is None
    if type_ is None:
        return False
    return not isinstance(value, JSON_TYPES[type_]) or (type_ == "number" and isinstance(value, bool))


def same(left: Any, right: Any) -> bool:
    """Equal as JSON, in which true is not 1."""
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def moment(value: str | datetime) -> date | datetime:
    if isinstance(value, datetime):
        return value
    return date.fromisoformat(value) if len(value) == 10 else datetime.fromisoformat(value)


def compare_moment(type_: str, word: str, rhs: Any, value: Any, now: datetime) -> bool:
    today = now.astimezone(zone()).date()
    day = value.astimezone(zone()).date() if type_ == "datetime" else value
    match word, rhs:
        case "on", _:
            return bool(day == date.fromisoformat(rhs))
        case "before", _:
            return bool(day < date.fromisoformat(rhs))
        case "after", _:
            return bool(day > date.fromisoformat(rhs))
        case "between", [first, last]:
            return bool(date.fromisoformat(first) <= day <= date.fromisoformat(last))
        case "in_last", {"days": n} if type_ == "date":
            return bool(today - (n - 1) * DAY <= day <= today)
        case "in_next", {"days": n} if type_ == "date":
            return bool(today <= day <= today + (n - 1) * DAY)
        case "in_last", span:
            return bool(now - timedelta(**span) < value <= now)
        case "in_next", span:
            return bool(now < value <= now + timedelta(**span))
        case "anniversary_in_next", {"days": n}:
            ahead = [today + i * DAY for i in range(n)]
            return any(anniversary(day, target.year) == target for target in ahead)
        case "years_between", [low, high]:
            age = today.year - day.year - (anniversary(day, today.year) > today)
            return bool(low <= age <= high)
    raise AssertionError(word)


def anniversary(day: date, year: int) -> date:
    if (day.month, day.day) == (2, 29) and not calendar.isleap(year):
        return date(year, 2, 28)
    return day.replace(year=year)


def start_of(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=zone())


def is_within(window: Any, at: datetime, now: datetime) -> bool:
    day, today = at.astimezone(zone()).date(), now.astimezone(zone()).date()
    match window:
        case {"last_days": n}:
            return bool(now - n * DAY < at <= now)
        case {"last_hours": n}:
            return now - timedelta(hours=n) < at <= now
        case {"days_ago": [far, near]}:
            return bool(now - far * DAY < at <= now - near * DAY)
        case {"calendar": word}:
            return at <= now and calendar_name(day, word) == calendar_name(calendar_day(today, word), word)
    since, until = window.get("since"), window.get("until")
    return (
        at <= now
        and (not since or day >= date.fromisoformat(since))
        and (not until or day <= date.fromisoformat(until))
    )


def calendar_day(today: date, word: str) -> date:
    """A day of the span that the word names."""
    if not word.startswith("last_"):
        return today - DAY if word == "yesterday" else today
    day, name = today, calendar_name(today, word)
    while calendar_name(day, word) == name:
        day -= DAY
    return day


def calendar_name(day: date, word: str) -> tuple[Any, ...]:
    """What the days of one week, month, quarter or year have in common."""
    if word.endswith("week"):
        return day.isocalendar()[:2]
    if word.endswith("month"):
        return (day.year, day.month)
    if word.endswith("quarter"):
        return (day.year, (day.month - 1) // 3)
    return (day.year,) if word.endswith("year") else (day,)


def measure(rule: dict[str, Any], events: list[dict[str, Any]], now: datetime) -> Any:
    names = rule["name"] if isinstance(rule["name"], list) else [rule["name"]]
    window = rule.get("within", {})
    asked = rule.get("measure", "count")
    kind, key = next(iter(asked.items())) if isinstance(asked, dict) else (asked, None)
    found = [event for event in events if event["name"] in names and is_within(window, event["occurred_at"], now)]
    chosen = [(event, choices(event, rule.get("where", []), key, now)) for event in found]
    matching = [(event, values) for event, values in chosen if values]
    if kind == "count":
        return len(matching)
    if kind == "days":
        return len({event["occurred_at"].astimezone(zone()).date() for event, _values in matching})
    values = [value for _event, by_place in matching for value in by_place.values()]
    if kind == "distinct":
        present = [value for value in values if value is not MISSING and value is not None]
        return len([value for i, value in enumerate(present) if not any(same(value, other) for other in present[:i])])
    numbers = [Fraction(repr(value)) for value in values if not is_missing(value, "number")]
    if kind == "sum":
        return sum(numbers, Fraction(0))
    if not numbers:
        return MISSING
    return {"avg": sum(numbers, Fraction(0)) / len(numbers), "min": min(numbers), "max": max(numbers)}[kind]


def sequences(rule: dict[str, Any], events: list[dict[str, Any]], now: datetime) -> Iterator[tuple[datetime, ...]]:
    """The times of each choice of an event for every step; all lie in the window."""
    window = rule.get("within", {})
    steps = [[event["occurred_at"] for event in meeting(step, events, now)] for step in rule["steps"]]
    return product(*([at for at in times if is_within(window, at, now)] for times in steps))


def follow(times: tuple[datetime, ...], rule: dict[str, Any], events: list[dict[str, Any]], now: datetime) -> bool:
    """Whether they come strictly one after the other, close enough, and what must not follow did not."""
    gap = timedelta(**rule["gap"]) if "gap" in rule else None
    if any(later <= earlier or (gap and later - earlier > gap) for earlier, later in pairwise(times)):
        return False
    if gap is None or "then_not" not in rule:
        return True
    refuted = (times[-1] < event["occurred_at"] <= times[-1] + gap for event in meeting(rule["then_not"], events, now))
    return now >= times[-1] + gap and not any(refuted)


def meeting(step: dict[str, Any], events: list[dict[str, Any]], now: datetime) -> list[dict[str, Any]]:
    """The events until now that have a name of the step and meet its conditions."""
    names = step["name"] if isinstance(step["name"], list) else [step["name"]]
    found = [event for event in events if event["name"] in names and event["occurred_at"] <= now]
    return [event for event in found if choices(event, step.get("where", []), None, now)]


def choices(event: dict[str, Any], where: list[dict[str, Any]], measured: str | None, now: datetime) -> dict[Any, Any]:
    """The measured value of each choice of one element for every list on the paths for which all conditions hold.

    Keyed by the elements chosen on the way to the measured value; {(): …} where there is no list on the way.
    """
    paths = {key: (key,) if key.startswith("$") else tuple(key.split(".")) for key in [c["key"] for c in where]}
    goal = tuple(measured.split(".")) if measured else ()
    at = event["occurred_at"].astimezone(zone())
    root = {**event["properties"], "$value": event["value"], "$hour": at.hour, "$weekday": at.isoweekday()}
    prefixes = sorted({path[:i] for path in [*paths.values(), goal] for i in range(1, len(path))}, key=len)
    found = {}
    for picked in pick(root, prefixes):
        values = {key: get(picked[path[:-1]][1], path[-1]) for key, path in paths.items()}
        if all(compare(property_type(c), c, values[c["key"]], now) for c in where):
            place = tuple(picked[goal[:i]][0] for i in range(1, len(goal)))
            found[place] = get(picked[goal[:-1]][1], goal[-1]) if goal else None
    return found


def pick(root: Any, prefixes: list[tuple[str, ...]]) -> Iterator[dict[tuple[str, ...], tuple[int, Any]]]:
    chosen: list[dict[tuple[str, ...], tuple[int, Any]]] = [{(): (0, root)}]
    for prefix in prefixes:
        chosen = [
            {**picked, prefix: numbered}
            for picked in chosen
            for numbered in enumerate(elements(get(picked[prefix[:-1]][1], prefix[-1])))
        ]
    yield from chosen


def get(document: Any, key: str) -> Any:
    return document.get(key, MISSING) if isinstance(document, dict) else MISSING


def elements(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def property_type(condition: dict[str, Any]) -> str | None:
    """A property has no definition: the type is that of the rule's value, or of the word."""
    if condition["key"].startswith("$"):
        return "number"
    if condition["is"] in ("set", "unset"):
        return None
    if condition["is"].startswith("has"):
        return "list"
    value = condition["value"]
    value = value[0] if isinstance(value, list) else value
    return "boolean" if isinstance(value, bool) else "text" if isinstance(value, str) else "number"
