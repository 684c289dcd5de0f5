"""Refresh by clock: those whose answer time alone may have changed go on the queue, where refresh by change finds them.

Each holder has a clock of its own. It is moved in the transaction that enqueues, so that whatever is cut off is done
again; after a downtime of any length the next tick asks about all of it.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.core.exceptions import EmptyResultSet
from django.db import connection, transaction
from django.db.models import Q

from cdp.models import Run
from cdp.rules.ast import Rule
from cdp.rules.causes import Cause
from cdp.rules.clock import candidates
from cdp.rules.errors import RuleError
from cdp.rules.holders import Holder
from cdp.rules.parse import parse_rules
from cdp.stages import wake
from profiles.models import HolderClock, Lane, Profile, ProfileChange
from profiles.refresh.engine import BY_CLOCK_SECONDS, RULE_FAILURES, RuleTooSlow, bounded
from profiles.refresh.graph import TIME, Graph
from profiles.refresh.queue import REFRESH, queue_full_refresh
from profiles.refresh.slow import leave_to_full_refresh, slow_holders

logger = logging.getLogger(__name__)

# One statement for all is cheaper than judging one by one from about a quarter on; a few are judged at once anyway.
FULL_FROM_SHARE, FULL_FROM = 4, 1_000
HOLDERS_AT_ONCE = 50  # in one transaction, which may put a quarter of all on the queue for each


@dataclass(frozen=True)
class Timed:
    """A holder with its rules as they parse now."""

    holder: Holder
    rules: Sequence[Rule]


class Followed(NamedTuple):
    """How many rows were put on the queue, and whether a full refresh is to do it instead."""

    n_rows: int = 0
    is_in_full: bool = False


def follow_time(*, now: datetime) -> int:
    """Move the clocks of all holders to `now`; returns how many rows were put on the queue.

    A holder whose rules fail stays behind, and says so on its page; the others go on. `now` is read before the rules: a
    rule that is saved too late to be read here is filled in full later than `now`.
    """
    graph = Graph.load()
    HolderClock.objects.exclude(holder__in=graph.holders).delete()
    return sum(followed.n_rows for followed in follow(graph.holders.values(), graph, until=now))


def follow(holders: Collection[Holder], graph: Graph, *, until: datetime) -> list[Followed]:
    """Move the clocks of these holders, which are in order; what became of each whose rules do not fail."""
    start_clocks(holders, now=until)
    slow = slow_holders()
    holders = [holder for holder in holders if holder.key not in slow]
    most = full_from()
    timed = parsed(holders, now=until)
    followed: list[Followed] = []
    for first in range(0, len(timed), HOLDERS_AT_ONCE):
        some = timed[first : first + HOLDERS_AT_ONCE]
        try:
            followed += follow_together(some, graph, until=until, most=most)
        except RULE_FAILURES:
            followed += follow_apart(some, graph, until=until, most=most)
    return followed


def follow_apart(some: Iterable[Timed], graph: Graph, *, until: datetime, most: int) -> list[Followed]:
    """Each in a transaction of its own: one whose rules fail notes it, and its clock stays."""
    followed: list[Followed] = []
    for timed in some:
        try:
            followed += follow_together([timed], graph, until=until, most=most)
        except RuleTooSlow as error:
            leave_to_full_refresh(timed.holder, error, cause=Cause.TIME, now=until)
        except RULE_FAILURES as error:
            note_failure(timed.holder, error, now=until)
    return followed


@transaction.atomic
def follow_together(some: Sequence[Timed], graph: Graph, *, until: datetime, most: int) -> list[Followed]:
    """Move these clocks, and in the same transaction enqueue whom that concerns; where it is more than `most`, all are
    refreshed in full instead. Passes over clocks that another worker has moved so far.

    Raises one of RULE_FAILURES where the rules of one fail.
    """
    behind = HolderClock.objects.filter(holder__in=[timed.holder.key for timed in some], clocked_at__lt=until)
    clocks = dict(behind.order_by("holder").select_for_update().values_list("holder", "clocked_at"))
    followed = []
    for timed in some:
        if timed.holder.key not in clocks:
            continue
        with bounded(BY_CLOCK_SECONDS):
            n_found = enqueue(timed, after=clocks[timed.holder.key], until=until, most=most)
        if n_found > most:
            queue_in_order(timed.holder.key, graph)
        followed.append(Followed(is_in_full=True) if n_found > most else Followed(n_found))
    HolderClock.objects.filter(holder__in=clocks).update(clocked_at=until)
    if any(each.n_rows for each in followed):
        wake("profiles_changed")
    return followed


def queue_in_order(key: str, graph: Graph) -> None:
    """Queue a full refresh, unless one waits that will refresh this holder as well, after what its rule speaks of."""
    waiting = Run.objects.filter(kind=REFRESH, state=Run.State.QUEUED, params__cause=Cause.TIME)
    if not waiting.filter(subject__in=graph.upstream([key])).exists():
        queue_full_refresh(key, cause=Cause.TIME)


def start_clocks(holders: Iterable[Holder], *, now: datetime) -> None:
    """Clocks for new holders, which stand at `now`: their first full refresh is still to come."""
    HolderClock.objects.bulk_create(
        (HolderClock(holder=holder.key, clocked_at=now) for holder in holders), ignore_conflicts=True
    )


def parsed(holders: Iterable[Holder], *, now: datetime) -> list[Timed]:
    """Those whose rules parse, with one query a kind of name for all; the others note their errors."""
    stated = [(holder, outcome.rule) for holder in holders for outcome in holder.outcomes() if outcome.rule is not None]
    timed: dict[str, Timed] = {holder.key: Timed(holder, []) for holder in holders}
    for (holder, _rule), rule in zip(stated, parse_rules([rule for _holder, rule in stated]), strict=True):
        known = timed.get(holder.key)
        if isinstance(rule, RuleError):
            timed.pop(holder.key, None)
            note_failure(holder, rule, now=now)
        elif known is not None:
            timed[holder.key] = Timed(holder, [*known.rules, rule])
    return list(timed.values())


def note_failure(holder: Holder, error: Exception, *, now: datetime) -> None:
    logger.error("the clock of %s fails: %s", holder.key, error)
    holder.finished(now=now, error=str(error))


def enqueue(timed: Timed, *, after: datetime, until: datetime, most: int) -> int:
    """Put the candidates of (after, until] on the queue, due once time is there for any worker's clock. Returns how
    many there are, `most` + 1 where there are more: then none is put there.
    """
    found = [each for rule in timed.rules for each in candidates(rule, after=after, until=until)]
    if not found:
        return 0
    selects: list[str] = []
    params: list[Any] = []
    for condition in found:
        try:
            sql, values = select(condition)
        except EmptyResultSet:
            continue
        selects.append(f"({sql})")
        params += values
    if not selects:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH candidate AS MATERIALIZED (
                SELECT id FROM ({" UNION ".join(selects)}) AS found (id) LIMIT %s
            ), counted AS (
                SELECT count(*) AS n FROM candidate
            ), written AS (
                INSERT INTO {ProfileChange._meta.db_table} (profile_id, topic, lane, due_at, holder)
                SELECT candidate.id, %s, %s, %s, %s
                FROM candidate, counted
                WHERE counted.n <= %s
            )
            SELECT n FROM counted
            """,  # noqa: S608 - compiled by Django, with values as parameters
            [*params, most + 1, TIME, Lane.CLOCK, until, timed.holder.key, most],
        )
        (n_found,) = cursor.fetchone()
        return int(n_found)


def select(condition: Q) -> tuple[str, Sequence[Any]]:
    """The ids of the profiles that meet it. Also of merged ones: telling would take a look at each, and the queue
    resolves ids anyway. Raises EmptyResultSet where nobody can.
    """
    sql, params = Profile.objects.filter(condition).values("pk").query.sql_with_params()
    return sql, params


def full_from() -> int:
    """More candidates than this are refreshed in full: a quarter of all profiles, as the statistics count them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples FROM pg_class WHERE oid = to_regclass(%s)", [Profile._meta.db_table])
        (n_profiles,) = cursor.fetchone()
    return max(int(n_profiles) // FULL_FROM_SHARE, FULL_FROM)
