"""An event that came before anybody said which of its numbers counts: its value is named later, once for all."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from cdp.models import Run, User
from cdp.rules.errors import RuleError
from cdp.rules.holders import Holder
from cdp.rules.topics import topics_of
from cdp.runs import advance, queue_run
from profiles.ingest.coerce import MISFIT, coerce
from profiles.ingest.events import promoted_value
from profiles.ingest.promote import CHUNK, Key, keys_after, promote_chunk
from profiles.ingest.refold import wait_for_batches
from profiles.models import AttributeType, Event, EventDefinition
from profiles.operators.properties import VALUE
from profiles.refresh.graph import Graph
from profiles.refresh.queue import queue_full_refresh
from profiles.services.in_time import count_in_time

PROMOTE = "promote"  # the kind of run; its subject is `event:NAME`
N_SAMPLED = 200
N_NUMBERS = 10


@dataclass(frozen=True)
class ValueConsequences:
    """What naming the value sets off. `users` are the names of tags, segments and tier schemes that look at it, and are
    refreshed in full. `is_more`: there are `n_events` or more, since counting all took too long. Of the latest
    `n_sampled` events `n_numbers` hold a number there; `numbers` are the properties where they hold one, those that
    most have first.
    """

    n_events: int
    users: list[str]
    is_more: bool = False
    n_sampled: int = 0
    n_numbers: int = 0
    numbers: list[str] = field(default_factory=list)


def topic_of(name: str) -> str:
    return f"event:{name}"


def is_promoted(before: EventDefinition, after: EventDefinition) -> bool:
    """Whether the change names the value of events that had none."""
    return not before.value_property and bool(after.value_property)


def check_path(path: str) -> None:
    """Raises ValidationError for a path to a value that leads nowhere; there may be none."""
    if path and not all(name.strip() for name in path.split(".")):
        said = _("Write names with a dot between them, such as total or order.total. No name in it may be empty.")
        raise ValidationError({"value_property": said})


def check_value(before: EventDefinition, after: EventDefinition) -> None:
    """Raises ValidationError where another value is named than before: events hold the one they were stored with."""
    named = (before.value_property, before.value_sign)
    if before.value_property and (after.value_property, after.value_sign) != named:
        said = _("Its value is “%(name)s” already, and stays: events hold it.") % {"name": before.value_property}
        raise ValidationError({"value_property": said})


def consequences_of_value(before: EventDefinition, after: EventDefinition) -> ValueConsequences | None:
    """What saving `after` in place of `before` would do; None where no value is named."""
    if not is_promoted(before, after):
        return None
    events = Event.objects.filter(definition=before.pk)
    samples = list(events.order_by("-occurred_at").values_list("properties", flat=True)[:N_SAMPLED])
    numbers = Counter(path for properties in samples for path in number_paths(properties))
    graph = Graph.load()
    n_events, is_more = count_in_time(lambda most: count_some(events, most)) or (len(samples), True)
    return ValueConsequences(
        n_events=n_events,
        is_more=is_more,
        users=[graph.holders[key].label for key in concerned_by_value(graph, before.name)],
        n_sampled=len(samples),
        n_numbers=sum(promoted_value(properties, after) is not None for properties in samples),
        numbers=[path for path, _n in numbers.most_common(N_NUMBERS)],
    )


def count_some(events: QuerySet[Event], most: int | None) -> tuple[int, bool]:
    """How many there are, up to `most`, and whether there may be more."""
    n_found = events[:most].count()
    return n_found, n_found == most


def number_paths(properties: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """The dotted paths of all that could be a value."""
    for name, value in properties.items():
        if "." in name:
            continue  # no path leads there
        if isinstance(value, dict):
            yield from number_paths(value, f"{prefix}{name}.")
        elif coerce(value, AttributeType.NUMBER) not in (None, MISFIT):
            yield prefix + name


def concerned_by_value(graph: Graph, name: str) -> list[str]:
    """Keys of the holders whose rules look at the value of this event, in order."""
    topic = topic_of(name)
    return [key for key in graph.concerned(topic) if looks_at_value(graph.holders[key], topic)]


def looks_at_value(holder: Holder, topic: str) -> bool:
    return any(
        f'"{VALUE}"' in json.dumps(outcome.rule) and topic in said_topics(outcome.rule)
        for outcome in holder.outcomes()
        if outcome.rule is not None
    )


def said_topics(rule: Any) -> frozenset[str]:
    """Those of rule JSON; none where it no longer parses, which judging by it reports."""
    try:
        return topics_of(rule)
    except RuleError:
        return frozenset()


def queue_promotion(definition: EventDefinition, user: User | None) -> Run:
    """Queue the run that gives the events stored so far their value; one that failed goes on where it was."""
    failed = failed_promotion(definition)
    params = {"definition": definition.pk} if failed is None else failed.params
    return queue_run(PROMOTE, topic_of(definition.name), user, params)


def failed_promotion(definition: EventDefinition) -> Run | None:
    """The last run that gave events of it their value, where it failed: some may be without."""
    last = Run.objects.filter(kind=PROMOTE, subject=topic_of(definition.name)).order_by("-pk").first()
    return last if last is not None and last.state == Run.State.FAILED else None


def promote_values(run: Run) -> None:
    """Give all events of the definition their value, a chunk a transaction, then have the rules that look at it
    refreshed in full.

    `run.params` hold how far it came: cut off anywhere, it goes on there.
    """
    wait_for_batches()
    definition = EventDefinition.objects.get(pk=run.params["definition"])
    total = Event.objects.filter(definition=definition.pk).count()
    while keys := keys_after(definition, last_of(run)):
        for n in range(0, len(keys), CHUNK):
            promote_next(run, definition, keys[n : n + CHUNK])
            advance(run, min(run.params["n_events"], total), total, **counts_of(run))
    graph = Graph.load()
    users = concerned_by_value(graph, definition.name) if run.params.get("n_valued") else []
    for key in users:
        queue_full_refresh(key, user=run.user)
    advance(run, total, total, **counts_of(run), refreshed=len(users))


def last_of(run: Run) -> Key | None:
    """The last event that the run has looked at; None before the first."""
    last = run.params.get("last")
    return Key(datetime.fromisoformat(last[0]), last[1]) if last else None


def counts_of(run: Run) -> dict[str, int]:
    return {"events": run.params.get("n_events", 0), "valued": run.params.get("n_valued", 0)}


@transaction.atomic
def promote_next(run: Run, definition: EventDefinition, keys: Sequence[Key]) -> None:
    """The next chunk, and in the same transaction how far the run is."""
    said = run.params
    done = promote_chunk(definition, keys)
    run.params = {
        **said,
        "last": [keys[-1].occurred_at.isoformat(), keys[-1].id],
        "n_events": said.get("n_events", 0) + done.n_events,
        "n_valued": said.get("n_valued", 0) + done.n_valued,
    }
    run.save(update_fields=["params"])
