"""What rules listen to: `attribute:city`, `event:Order Completed`, `tag:vip`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import orjson
from django.db import connection

from cdp.locks import lock_key
from cdp.rules.errors import RuleError
from cdp.rules.holders import Holder, all_holders
from cdp.rules.parse import parse_rule

FLOOR = "floor"


@contextmanager
def shared_floor() -> Iterator[None]:
    """Open the transaction inside: a full refresh that begins meanwhile waits until it has committed.

    For whoever leaves something undone since no rule asks for it: a rule that was saved too late to be read here is
    filled by a full refresh, which then sees all that the transaction wrote. Taken before any other lock.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock_shared(%s)", [lock_key(FLOOR)])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock_shared(%s)", [lock_key(FLOOR)])


def heard_topics() -> frozenset[str]:
    """All that the rules of any holder depend on, to be asked for on the shared floor; a few queries."""
    return frozenset().union(*(inputs_of(holder) for holder in all_holders()))


def inputs_of(holder: Holder) -> frozenset[str]:
    """The topics of all its rules. A rule that no longer parses has none; judging by it reports why."""
    topics: frozenset[str] = frozenset()
    for outcome in holder.outcomes():
        if outcome.rule is not None:
            try:
                topics |= topics_of(outcome.rule)
            except RuleError:
                continue
    return topics


def topics_of(rule: Any) -> frozenset[str]:
    """The topics of rule JSON. Raises RuleError."""
    return _topics_of_text(json.dumps(rule))


@lru_cache(maxsize=10_000)
def _topics_of_text(rule: str) -> frozenset[str]:
    # Parsing looks names up, two to four queries a rule; a batch of changes needs the topics of every rule there is.
    return parse_rule(orjson.loads(rule)).topics()
