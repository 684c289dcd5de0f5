"""One judgement: what a holder's rules say, against what is written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import partial
from typing import Any, NamedTuple, TypeAlias

from django.core.exceptions import EmptyResultSet
from django.db import (
    DataError,
    IntegrityError,
    InternalError,
    NotSupportedError,
    ProgrammingError,
    connection,
    transaction,
)
from django.utils.timezone import get_default_timezone
from django.utils.translation import gettext as _

from cdp.local_settings import TimeLimitExceeded, time_limit
from cdp.rules.ast import Rule
from cdp.rules.compile import compile_rule
from cdp.rules.errors import RuleError
from cdp.rules.holders import Holder, Move
from cdp.rules.moving import Moving, Statement, Template, Uses
from cdp.rules.parse import parse_rules
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

MOST_KEPT = 2_000  # statements, some kilobytes each
Rules: TypeAlias = Sequence[Rule | RuleError | None]  # in the order of the outcomes; None is one that everybody meets


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


class Asked(NamedTuple):
    """A holder, and the profiles whom it is to judge."""

    holder: Holder
    profile_ids: tuple[int, ...]


def differences(asked: Sequence[Asked], *, now: datetime) -> dict[str, list[Move] | Exception]:
    """By holder key, the profiles whose outcome is not what is written, by id; or what is wrong with the holder's own
    rules. One statement each.
    """
    rules = parsed(each.holder for each in asked)
    scopes = {profile_ids: Scope(profile_ids) for _holder, profile_ids in asked}  # most have the same

    def of(holder: Holder, profile_ids: tuple[int, ...]) -> list[Move]:
        return _differences(holder, rules[holder.key], scope=scopes[profile_ids], now=now)

    try:
        # One savepoint and one limit for all: of its own, each would cost as much again as a quick rule.
        with transaction.atomic(), bounded(BY_CHANGE_SECONDS):
            return {each.holder.key: of(*each) for each in asked}
    except RULE_FAILURES:
        return {each.holder.key: _or_failure(partial(of, *each)) for each in asked}


def _or_failure(differences_of_one: Callable[[], list[Move]]) -> list[Move] | Exception:
    try:
        with transaction.atomic(), bounded(BY_CHANGE_SECONDS):
            return differences_of_one()
    except RULE_FAILURES as error:
        return error


def _differences(holder: Holder, rules: Rules, *, scope: Scope, now: datetime) -> list[Move]:
    statement, params = kept_statement(holder, rules, scope=scope, now=now)
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        return [Move(*row) for row in cursor.fetchall()]


@dataclass(frozen=True)
class Kept:
    """The statement of a holder, and what it was compiled from; None where it is another at every moment."""

    source: tuple[Holder, Rules, tzinfo]
    template: Template | None


_kept: dict[str, Kept] = {}


def kept_statement(holder: Holder, rules: Rules, *, scope: Scope, now: datetime) -> Statement:
    """`difference_statement`, of candidates, compiled once for the holder and what its rules' names mean: that takes
    four times as long as to judge a few people.
    """
    source = holder, rules, get_default_timezone()
    kept = _kept.get(holder.key)
    if kept is None or kept.source != source:
        if len(_kept) >= MOST_KEPT:
            _kept.clear()
        uses = Uses()
        moving = difference_statement(holder, rules, scope=scope, now=Moving.of(now, uses))
        kept = _kept[holder.key] = Kept(source, Template.of(moving, scope=scope, uses=uses))
    if kept.template is None:
        return difference_statement(holder, rules, scope=scope, now=now)
    return kept.template.statement(scope=scope, now=now)


def difference_statement(holder: Holder, rules: Rules | None = None, *, scope: Scope, now: datetime) -> Statement:
    """SELECT profile id, outcome that is written, outcome that the rules want; ordered by profile id.

    Rules that are not given are parsed. Raises RuleError where one of them does not.
    """
    rules = parsed([holder])[holder.key] if rules is None else rules
    wanted, wanted_params = outcome_statement(holder, rules, scope=scope, now=now)
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


def parsed(holders: Iterable[Holder]) -> dict[str, Rules]:
    """The rules of each by its key, with one query a kind of name for all."""
    known = list(holders)
    outcomes = [(holder.key, outcome.rule) for holder in known for outcome in holder.outcomes()]
    read = iter(parse_rules(rule for _key, rule in outcomes if rule is not None))
    found: dict[str, list[Rule | RuleError | None]] = defaultdict(list)
    for key, rule in outcomes:
        found[key].append(None if rule is None else next(read))
    return {holder.key: found[holder.key] for holder in known}


def outcome_statement(holder: Holder, rules: Rules, *, scope: Scope, now: datetime) -> Statement:
    """SELECT profile id, outcome: the first whose rule holds. Profiles that were merged away have none."""
    branches: list[str] = []
    params: list[Any] = []
    outcomes = holder.outcomes()
    for place, rule in enumerate(rules, start=1):
        if isinstance(rule, RuleError):
            raise rule
        condition = scope.on("pk") if rule is None else compile_rule(rule, scope=scope, now=now)
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
