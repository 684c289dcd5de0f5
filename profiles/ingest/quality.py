"""What was planned against what came in, and the counters of the page on data quality.

Only sources that ask for it are compared with the plan; values that do not fit their attribute are counted of all. A
message that is rejected has claimed no message key: replayed after the plan was corrected, it counts. What is let
through is counted once a message, by place and problem.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from operator import itemgetter
from typing import Any, NamedTuple

import orjson
from django.db import connection

from cdp.rules.days import business_day
from profiles.ingest.contributions import IDENTIFIER_ATTRIBUTES, Misfit
from profiles.ingest.message import IDENTIFY_EVENT, Message
from profiles.ingest.schemas import MAX_ERRORS, breaches
from profiles.models import AttributeDefinition, EventDefinition, Handling, RejectedMessage, Source, Violation

MAX_KINDS_A_DAY = 500  # of violations that are kept apart, by source and day; more are counted together
MAX_EXAMPLES = 3
MAX_EXAMPLE_LENGTH = 200
MAX_REASONS = 5  # in the reason of a rejected message
QUARTER = 900  # seconds: business days of every zone begin with one
Code = RejectedMessage.Code


class Finding(NamedTuple):
    """Something of a message that was not planned: `path` names the very place, `place` leaves out indexes."""

    handling: str
    rule: str
    path: str
    place: str
    problem: str
    value: Any


class ViolationKey(NamedTuple):
    source_id: int
    event: str
    rule: str
    place: str
    problem: str


@dataclass
class Found:
    """How often, and the last few examples."""

    n_messages: int = 0
    examples: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Quality:
    """What a batch adds to the counters: events by source, definition and quarter of an hour since 1970; messages with
    an identifier by source and kind; violations.
    """

    events: Counter[tuple[int, int, int]] = field(default_factory=Counter)
    kinds: Counter[tuple[int, int]] = field(default_factory=Counter)
    violations: dict[ViolationKey, Found] = field(default_factory=dict)

    def __add__(self, other: Quality) -> Quality:
        violations = {key: Found(found.n_messages, found.examples) for key, found in self.violations.items()}
        for key, found in other.violations.items():
            known = violations.setdefault(key, Found())
            known.n_messages += found.n_messages
            known.examples = [*known.examples, *found.examples][-MAX_EXAMPLES:]
        return Quality(self.events + other.events, self.kinds + other.kinds, violations)


@dataclass(frozen=True)
class Plan:
    """What is planned, of what a batch speaks of: schemas by event, and the attributes."""

    events: Mapping[str, dict[str, Any] | None]
    attributes: frozenset[str]


def load_plan(messages: Iterable[Message]) -> Plan:
    """Two queries."""
    messages = list(messages)
    events = EventDefinition.objects.filter(name__in={message.event for message in messages}, is_discovered=False)
    keys = {key for message in messages for key in message.traits}
    attributes = AttributeDefinition.objects.filter(key__in=keys, is_discovered=False) if keys else ()
    return Plan(dict(events.values_list("name", "schema")), frozenset(each.key for each in attributes))


def compare(messages: Sequence[Message], sources: Mapping[int, Source]) -> dict[int, list[Finding]]:
    """What is not planned of each message, by its place: two copies of one may differ. Messages without any, and of
    sources that allow all, are left out.
    """
    checking = {source.pk for source in sources.values() if source.is_checked}
    checked = {n: each for n, each in enumerate(messages) if each.source_id in checking} if checking else {}
    if not checked:
        return {}
    plan = load_plan(checked.values())
    found = {n: list(findings(message, plan, sources[message.source_id])) for n, message in checked.items()}
    return {n: each for n, each in found.items() if each}


def findings(message: Message, plan: Plan, source: Source) -> Iterable[Finding]:
    root = "traits" if message.event == IDENTIFY_EVENT else "properties"
    if (handling := source.unplanned_events) != Handling.ALLOW and message.event not in plan.events:
        problem = "is not a planned event"
        yield Finding(handling, Violation.Rule.UNPLANNED_EVENT, "event", "event", problem, message.event)
    if (handling := source.unplanned_attributes) != Handling.ALLOW:
        for key in sorted(message.traits.keys() - plan.attributes):
            path, problem = f"traits.{key}", "is not a planned attribute"
            yield Finding(handling, Violation.Rule.UNPLANNED_ATTRIBUTE, path, path, problem, message.traits[key])
    schema = plan.events.get(message.event)
    if (handling := source.schema_violations) != Handling.ALLOW and schema is not None:
        for path, place, problem, value in breaches(schema, message.properties, root=root):
            yield Finding(handling, Violation.Rule.SCHEMA, path, place, problem, value)


def rejecting(found: Sequence[Finding]) -> tuple[str, str] | None:
    """The reason, which names the places, and its code; None where all that was found is let through."""
    guilty = [each for each in found if each.handling == Handling.REJECT]
    if not guilty:
        return None
    is_schema = all(each.rule == Violation.Rule.SCHEMA for each in guilty)
    reasons = [
        f"event {each.value!r} {each.problem}" if each.path == "event" else f"{each.path}: {each.problem}"
        for each in guilty
    ]
    more = ["…"] if len(reasons) > MAX_REASONS or len(reasons) >= MAX_ERRORS else []
    return "; ".join([*reasons[:MAX_REASONS], *more]), Code.SCHEMA if is_schema else Code.UNPLANNED


def quality_of(
    messages: Sequence[Message], events: Mapping[str, EventDefinition], found: Mapping[str, Sequence[Finding]]
) -> Quality:
    """What messages that are new add to the counters; 1.2 microseconds a message where nothing was found."""
    pks = {name: definition.pk for name, definition in events.items()}
    quality = Quality(
        events=Counter(
            [(each.source_id, pks[each.event], int(each.occurred_at.timestamp()) // QUARTER) for each in messages]
        )
    )
    shapes = Counter([(each.source_id, *[key.kind_id for key in each.identifiers]) for each in messages])
    for (source_id, *kind_ids), n in shapes.items():
        for kind_id in set(kind_ids):
            quality.kinds[source_id, kind_id] += n
    if found:
        for message in messages:
            count_findings(quality, message, found.get(message.key, ()))
    return quality


def quality_of_misfits(misfits: Iterable[Misfit]) -> Quality:
    """Values that no golden record shows, of every source."""
    quality = Quality()
    for message, definition, value in misfits:
        place, is_identifier = f"traits.{definition.key}", definition.key in IDENTIFIER_ATTRIBUTES
        problem = (
            f"is not of the format {definition.key}" if is_identifier else f"does not fit its type, {definition.type}"
        )
        finding = Finding(Handling.FLAG, Violation.Rule.MISFIT, place, place, problem, value)
        count_findings(quality, message, [finding])
    return quality


def count_findings(quality: Quality, message: Message, found: Iterable[Finding]) -> None:
    for each in found:
        key = ViolationKey(message.source_id, message.event, each.rule, each.place[:300], each.problem[:300])
        known = quality.violations.setdefault(key, Found())
        known.n_messages += 1
        known.examples = [*known.examples, example(message, each.value)][-MAX_EXAMPLES:]


def example(message: Message, value: Any) -> dict[str, Any]:
    """The value that was sent, or the beginning of its JSON text where it is long."""
    text = orjson.dumps(value).decode()
    return {
        "message": message.message_id,
        "value": value if len(text) <= MAX_EXAMPLE_LENGTH else text[:MAX_EXAMPLE_LENGTH] + "…",
    }


def write_quality(quality: Quality, *, now: datetime) -> None:
    """Add to the counters, each table in one statement and in one order; to be called last, after `write_tally`."""
    today = business_day(now)
    if quality.events:
        write_events_by_day(quality.events, now=now)
    if quality.kinds:
        write_kinds(quality.kinds, today)
    if quality.violations:
        write_violations(quality.violations, today, now=now)


def write_events_by_day(events: Counter[tuple[int, int, int]], *, now: datetime) -> None:
    days = {quarter: business_day(datetime.fromtimestamp(quarter * QUARTER, UTC)) for _s, _d, quarter in events}
    by_day: Counter[tuple[int, int, date]] = Counter()
    for (source_id, definition_id, quarter), n in events.items():
        by_day[source_id, definition_id, days[quarter]] += n
    keys = sorted(by_day)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO profiles_eventday AS known (source_id, definition_id, day, n_events, last_at)
            SELECT *, %s FROM unnest(%s::bigint[], %s::int[], %s::date[], %s::bigint[])
            ON CONFLICT (source_id, definition_id, day) DO UPDATE SET
                n_events = known.n_events + EXCLUDED.n_events,
                last_at = greatest(known.last_at, EXCLUDED.last_at)
            """,
            [now, *map(list, zip(*keys, strict=True)), [by_day[key] for key in keys]],
        )


def write_kinds(kinds: Counter[tuple[int, int]], day: date) -> None:
    keys = sorted(kinds)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO profiles_kindday AS known (source_id, kind_id, day, n_messages)
            SELECT source_id, kind_id, %s, n FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[])
                AS counted(source_id, kind_id, n)
            ON CONFLICT (source_id, kind_id, day) DO UPDATE SET n_messages = known.n_messages + EXCLUDED.n_messages
            """,
            [day, *map(list, zip(*keys, strict=True)), [kinds[key] for key in keys]],
        )


def write_violations(violations: Mapping[ViolationKey, Found], day: date, *, now: datetime) -> None:
    bounded = bound(violations, day)
    keys = sorted(bounded)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO profiles_violation AS known
                (source_id, event, rule, path, problem, day, last_at, n_messages, examples)
            SELECT source_id, event, rule, path, problem, %s, %s, n, examples::jsonb
            FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::text[])
                AS found(source_id, event, rule, path, problem, n, examples)
            ON CONFLICT (source_id, day, event, rule, path, problem) DO UPDATE SET
                n_messages = known.n_messages + EXCLUDED.n_messages,
                last_at = greatest(known.last_at, EXCLUDED.last_at),
                examples = EXCLUDED.examples
            """,
            [
                day,
                now,
                *map(list, zip(*keys, strict=True)),
                [bounded[key].n_messages for key in keys],
                [orjson.dumps(bounded[key].examples).decode() for key in keys],
            ],
        )


def bound(violations: Mapping[ViolationKey, Found], day: date) -> dict[ViolationKey, Found]:
    """With those counted together for which there is no room: two batches at once may each fill the last places."""
    source_ids = {key.source_id for key in violations}
    rows = Violation.objects.filter(source__in=source_ids, day=day)
    known = {ViolationKey(*row) for row in rows.values_list("source_id", "event", "rule", "path", "problem")}
    n_known = Counter(key.source_id for key in known)
    bounded: dict[ViolationKey, Found] = {}
    for key, found in sorted(violations.items(), key=itemgetter(0)):
        if key not in known:
            if n_known[key.source_id] >= MAX_KINDS_A_DAY:
                more = bounded.setdefault(ViolationKey(key.source_id, "", Violation.Rule.MORE, "", ""), Found())
                more.n_messages += found.n_messages
                continue
            n_known[key.source_id] += 1
        bounded[key] = found
    return bounded
