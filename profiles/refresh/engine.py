"""One judgement: what a holder's rules say, against what is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeAlias

from django.core.exceptions import EmptyResultSet
from django.db import (
    DataError,
    IntegrityError,
    InternalError,
    NotSupportedError,
    ProgrammingError,
    connection,
)
from django.utils.translation import gettext as _

from cdp.local_settings import TimeLimitExceeded, time_limit
from cdp.rules.compile import compile_rule
from cdp.rules.errors import RuleError
from cdp.rules.holders import Holder, Move
from cdp.rules.parse import parse_rule
from cdp.rules.scope import Scope
from profiles.models import Profile

# A moment, or the clock itself. Workers hand over the clock, since only a moment that is read after the locks are
# held cannot lie before what another worker has judged already.
Now: TypeAlias = datetime | Callable[[], datetime]

# So long may the statement of one holder run. A batch by change takes milliseconds a holder, and holds its people's
# locks meanwhile; a full refresh of a million takes seconds.
BY_CHANGE_SECONDS, BY_CLOCK_SECONDS, IN_FULL_SECONDS = 10, 60, 1_800


class RuleTooSlow(Exception):
    """The rules of a holder took longer than they may, in seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            _("The rule takes longer than %(seconds)d seconds. A shorter time window makes it faster.")
            % {"seconds": seconds}
        )


# What a rule can do wrong, as opposed to the server being away or a deadlock, after which trying again helps.
RULE_FAILURES = (
    RuleError,
    RuleTooSlow,
    DataError,
    IntegrityError,
    InternalError,
    NotSupportedError,
    ProgrammingError,
)

Statement: TypeAlias = tuple[str, list[Any]]


def moment(now: Now) -> datetime:
    """Read the clock, or give back the moment."""
    return now() if callable(now) else now


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """Let rules be judged for so long. Raises RuleTooSlow, after which the savepoint must be rolled back."""
    try:
        with time_limit(seconds):
            yield
    except TimeLimitExceeded as error:
        raise RuleTooSlow(seconds) from error


def differences(holder: Holder, *, scope: Scope, now: datetime) -> list[Move]:
    """The profiles in `scope` whose outcome is not what is written, by id; one statement.

    Raises one of RULE_FAILURES where the holder's own rules are at fault.
    """
    statement, params = difference_statement(holder, scope=scope, now=now)
    with bounded(BY_CHANGE_SECONDS), connection.cursor() as cursor:
        cursor.execute(statement, params)
        return [Move(*row) for row in cursor.fetchall()]


def difference_statement(holder: Holder, *, scope: Scope, now: datetime) -> Statement:
    """SELECT profile id, outcome that is written, outcome that the rules want; ordered by profile id."""
    wanted, wanted_params = outcome_statement(holder, scope=scope, now=now)
    held, held_params = holder.current().filter(scope.on("profile_id")).query.sql_with_params()
    return (
        f"""
        SELECT profile_id, held.outcome, wanted.outcome
        FROM ({wanted}) AS wanted (profile_id, outcome)
        FULL JOIN ({held}) AS held (profile_id, outcome) USING (profile_id)
        WHERE held.outcome IS DISTINCT FROM wanted.outcome
        ORDER BY profile_id
        """,  # noqa: S608 - both parts are compiled by Django, with their values as parameters
        [*wanted_params, *held_params],
    )


def outcome_statement(holder: Holder, *, scope: Scope, now: datetime) -> Statement:
    """SELECT profile id, outcome: the first whose rule holds. Profiles that were merged away have none."""
    branches: list[str] = []
    params: list[Any] = []
    outcomes = holder.outcomes()
    for place, outcome in enumerate(outcomes, start=1):
        condition = (
            scope.on("pk") if outcome.rule is None else compile_rule(parse_rule(outcome.rule), scope=scope, now=now)
        )
        try:
            matching, matching_params = (
                Profile.objects.current().filter(condition).values_list("pk").query.sql_with_params()
            )
        except EmptyResultSet:
            continue
        branches.append(f"SELECT id, {place} FROM ({matching}) AS matching (id)")  # noqa: S608
        params += matching_params
    if not branches:
        return "SELECT NULL::bigint, NULL::bigint WHERE false", []
    if len(outcomes) == 1:
        return f"SELECT id, %s::bigint FROM ({branches[0]}) AS matched (id, place)", [outcomes[0].id, *params]  # noqa: S608
    return (
        f"""
        SELECT id, (%s::bigint[])[min(place)]
        FROM ({" UNION ALL ".join(branches)}) AS matched (id, place)
        GROUP BY id
        """,  # noqa: S608
        [[outcome.id for outcome in outcomes], *params],
    )
