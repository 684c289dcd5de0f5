"""Why somebody is in what rules fill, or not: what the rules say now, what is written, and why the two may differ."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from django.db import transaction
from django.db.models import Q
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from cdp.local_settings import HEAVY_WORK_MEM, TimeLimitExceeded, deadline, set_local
from cdp.rules.ast import Rule
from cdp.rules.errors import RuleError
from cdp.rules.explain import Judged, explain_rules, judge_rules
from cdp.rules.parse import parse_rules
from profiles.explainables import Explainable, Filled, Outcome, Settled, Standing, Turn
from profiles.models import HolderClock, Profile, ProfileChange
from profiles.refresh.check import about_to_change
from profiles.refresh.graph import Graph

TIMEOUT_SECONDS = 10  # somebody waits for it
N_TURNS = 10
MAX_REASONS = 1_000  # rows of the queue that are looked through


class ExplainTimeout(Exception):
    """The person did too much for the rule to be explained while somebody waits."""

    def __init__(self) -> None:
        super().__init__(_("To explain this takes longer than %(seconds)d seconds.") % {"seconds": TIMEOUT_SECONDS})


@dataclass(frozen=True)
class Verdict:
    """One outcome for the person. Without a rule, it takes everybody; one that no longer parses has its `error`."""

    outcome: Outcome
    rule: Rule | None = None
    judged: Judged | None = None
    error: RuleError | None = None

    @property
    def matched(self) -> bool:
        return self.judged.matched if self.judged else self.error is None


class Difference(NamedTuple):
    """Why what is written is not what the rules say now: a word for programs, a sentence for people."""

    code: str
    reason: Promise | str


FAILING = Difference("failing", gettext_lazy("A rule fails, so nobody enters or leaves until it is mended."))
NOT_FILLED = Difference("not_filled", gettext_lazy("It has not been filled yet: its first refresh is to come."))
REBUILDING = Difference("rebuilding", gettext_lazy("It is being refreshed in full, or about to be: this follows."))
QUEUED = Difference("queued", gettext_lazy("Something about this person has just changed and waits to be judged."))
TIME = Difference("time", gettext_lazy("Time alone has changed the answer: that is followed every minute."))
UNKNOWN = Difference(
    "unknown",
    gettext_lazy(
        "They should agree. A refresh in full puts it right now, the nightly check else: tell whoever runs it."
    ),
)


@dataclass(frozen=True)
class Explanation:
    """`chosen` is the key of the outcome that the rules give at `now`, None for none; `standing` is what is written.

    `difference` says why the two do not agree, or need not; None where they do.
    """

    profile: Profile
    filled: Filled
    now: datetime
    verdicts: Sequence[Verdict]
    chosen: str | None
    standing: Standing | None
    turns: Sequence[Turn]
    difference: Difference | Settled | None


def explain(kind: Explainable, filled: Filled, profile: Profile, *, now: datetime) -> Explanation:
    """Explain one thing for a person who stands for somebody now.

    Raises:
        ExplainTimeout: it was cancelled after TIMEOUT_SECONDS.
        Profile.DoesNotExist: the person was merged away or erased meanwhile.
    """
    try:
        with transaction.atomic():
            set_local(work_mem=HEAVY_WORK_MEM)
            with deadline(TIMEOUT_SECONDS):
                return _explain(kind, filled, profile, now)
    except TimeLimitExceeded as error:
        raise ExplainTimeout from error


def _explain(kind: Explainable, filled: Filled, profile: Profile, now: datetime) -> Explanation:
    verdicts = _judge(filled.outcomes, profile, now)
    chosen = _first(verdict.outcome.key for verdict in verdicts if verdict.matched)
    standing = kind.standing(filled, profile.pk, now)
    explanation = Explanation(
        profile, filled, now, verdicts, chosen, standing, kind.turns(filled, profile.pk, N_TURNS), filled.settled
    )
    if filled.settled is not None:
        return explanation
    return replace(explanation, difference=_difference(f"{kind.prefix}:{filled.key}", explanation))


def _judge(outcomes: Sequence[Outcome], profile: Profile, now: datetime) -> list[Verdict]:
    """All rules together; one that no longer parses hinders none of the others."""
    places = [place for place, outcome in enumerate(outcomes) if outcome.rule is not None]
    parsed = dict(zip(places, parse_rules([outcomes[place].rule for place in places]), strict=True))
    rules = {place: rule for place, rule in parsed.items() if isinstance(rule, Rule)}
    people = Profile.objects.current()
    judged = explain_rules(list(rules.values()), people, profile_id=profile.pk, now=now)
    by_place = dict(zip(rules, judged, strict=True))
    errors = {place: rule for place, rule in parsed.items() if isinstance(rule, RuleError)}
    return [
        Verdict(outcome, rules.get(place), by_place.get(place), errors.get(place))
        for place, outcome in enumerate(outcomes)
    ]


def _difference(holder_key: str, found: Explanation) -> Difference | None:
    """Why what is written is not what the rules say."""
    written = found.standing.outcome if found.standing else None
    if any(verdict.error for verdict in found.verdicts):
        return FAILING
    if found.chosen == written:
        return None
    if found.filled.refresh_error:
        return FAILING
    if holder_key in about_to_change():
        return REBUILDING
    if found.filled.refreshed_at is None:
        return NOT_FILLED
    if _is_queued(holder_key, found.profile, found.now):
        return QUEUED
    clock = HolderClock.objects.filter(holder=holder_key).first()
    if clock is not None and _chosen_at(clock.clocked_at, found) == written:
        return TIME
    return UNKNOWN


def _is_queued(holder_key: str, profile: Profile, now: datetime) -> bool:
    """Whether the queue has something of the person that concerns this holder, directly or through others."""
    ids = [profile.pk, *Profile.objects.filter(merged_into=profile).values_list("pk", flat=True)]
    is_due = Q(due_at__lte=now) | ~Q(holder="")
    rows = ProfileChange.objects.filter(is_due, profile_id__in=ids).values_list("topic", "holder").distinct()
    graph = Graph.load()
    return any(
        holder_key in graph.downstream([holder] if holder else graph.concerned(topic))
        for topic, holder in rows[:MAX_REASONS]
    )


def _chosen_at(moment: datetime, found: Explanation) -> str | None:
    """The outcome that the rules gave at another moment, of what is known now."""
    ruled = [verdict for verdict in found.verdicts if verdict.rule is not None]
    rules = [verdict.rule for verdict in ruled if verdict.rule is not None]
    held = judge_rules(rules, Profile.objects.current(), profile_id=found.profile.pk, now=moment)
    by_key = {verdict.outcome.key: matched for verdict, matched in zip(ruled, held, strict=True)}
    return _first(verdict.outcome.key for verdict in found.verdicts if by_key.get(verdict.outcome.key, True))


def _first(keys: Iterable[str]) -> str | None:
    return next(iter(keys), None)
