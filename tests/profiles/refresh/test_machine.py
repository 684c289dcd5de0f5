"""The law of refresh as a machine: whatever happens in whatever order, by change and by clock == in full == the oracle.

`LAW_STEPS` and `LAW_EXAMPLES` make it long.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from typing import Any, ClassVar

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from profiles.models import Identifier, ProfileMerge, Separation
from segments.models import Segment
from tags.models import Tag
from tests.profiles.ingest.messages import message
from tests.profiles.refresh.life import SEGMENTS, Life, next_turn
from tests.profiles.refresh.test_laws import ORDER, Rules, rule_sets, without
from tests.strategies import ATTRIBUTES, CHANNELS, NOWS, STEPS, events, moments, nasty_values_of, rules, words
from tests.world import World, declare_probe

NAMES = {"a1": "anonymous_id", "a2": "anonymous_id", "a3": "anonymous_id", "u1": "user_id", "u2": "user_id"}
NAMES["e1@example.com"] = "email"
LAST_YEAR = 2030  # of the world's partitions
who = st.lists(st.sampled_from(sorted(NAMES)), min_size=1, max_size=2, unique=True)
number = st.integers(0, 9)


def said(type_: str, names: list[str], at: datetime, **fields: Any) -> dict[str, Any]:
    """A message of whoever has these names."""
    externals = [{"type": NAMES[name], "id": name} for name in names]
    sent: dict[str, Any] = message(type_, **fields, context={"externalIds": externals})
    return sent | {"timestamp": at.isoformat()}


class Machine(RuleBasedStateMachine):
    """One life in a world that is as it was before for the next."""

    world: ClassVar[World]

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        self.savepoint = transaction.savepoint()
        now = data.draw(st.sampled_from(NOWS))
        self.life = Life(self.world, now, data.draw(rule_sets(now)))

    def teardown(self) -> None:
        if hasattr(self, "life"):
            try:
                self.life.work()
                self.life.look()
                self.life.look_back()
            finally:
                transaction.savepoint_rollback(self.savepoint)

    @rule(data=st.data(), names=who)
    def identify(self, data: st.DataObject, names: list[str]) -> None:
        now = self.life.now
        keys = data.draw(st.lists(st.sampled_from(sorted(ATTRIBUTES)), max_size=2, unique=True))
        traits = {key: data.draw(nasty_values_of(ATTRIBUTES[key], now)) for key in keys}
        if data.draw(st.booleans()):
            traits["consents"] = {data.draw(st.sampled_from(CHANNELS)): data.draw(st.booleans())}
        self.life.hear(said("identify", names, now, traits=traits))

    @rule(data=st.data(), names=who)
    def track(self, data: st.DataObject, names: list[str]) -> None:
        done = data.draw(st.lists(events(self.life.now), min_size=1, max_size=3))
        self.life.hear(
            *(
                said("track", names, each["occurred_at"], event=each["name"], properties=each["properties"])
                for each in done
            )
        )

    @precondition(lambda self: self.life.people())
    @rule(data=st.data(), place=number)
    def consent(self, data: st.DataObject, place: int) -> None:
        at, state = data.draw(words(self.life.now))
        self.life.consent(self.chosen(place), data.draw(st.sampled_from(CHANNELS)), at, state)

    @precondition(lambda self: self.life.people())
    @rule(data=st.data(), place=number, is_on=st.booleans())
    def tag(self, data: st.DataObject, place: int, is_on: bool) -> None:
        if is_on:
            self.life.tag(self.chosen(place), data.draw(st.one_of(st.none(), moments(self.life.now))))
        else:
            self.life.untag(self.chosen(place))

    @precondition(lambda self: self.life.people())
    @rule(place=number, is_in=st.booleans())
    def invite(self, place: int, is_in: bool) -> None:
        (self.life.invite if is_in else self.life.disinvite)(self.chosen(place))

    @precondition(lambda self: self.life.people())
    @rule(place=number, level=st.one_of(st.none(), st.integers(-3, 3)))
    def score(self, place: int, level: int | None) -> None:
        self.life.score(self.chosen(place), None if level is None else {"level": level})

    @precondition(lambda self: len(self.life.people()) > 1)
    @rule(one=number, other=number)
    def merge(self, one: int, other: int) -> None:
        self.life.merge(self.chosen(one), self.chosen(other))

    @precondition(lambda self: ProfileMerge.objects.filter(undone_at=None).exists())
    @rule(place=number)
    def undo(self, place: int) -> None:
        merges = list(ProfileMerge.objects.filter(undone_at=None).order_by("pk"))
        self.life.undo(merges[place % len(merges)])

    @precondition(lambda self: self.life.people())
    @rule(place=number, n=st.integers(1, 2))
    def split(self, place: int, n: int) -> None:
        profile = self.chosen(place)
        self.life.split(profile, list(Identifier.objects.filter(profile=profile).order_by("value")[:n]))

    @precondition(lambda self: Separation.objects.in_force().exists())
    @rule()
    def lift(self) -> None:
        for separation in Separation.objects.in_force():
            self.life.lift(separation)

    @rule(data=st.data(), key=st.sampled_from(ORDER))
    def edit(self, data: st.DataObject, key: str) -> None:
        """Other rules for one holder."""
        later = frozenset(ORDER[ORDER.index(key) :])
        drawn = {part: without(data.draw(rules(self.life.now)), later) for part in PARTS[key]}
        self.life.edit(key, self.life.rules._replace(**drawn))

    @rule(key=st.sampled_from(SEGMENTS))
    def archive(self, key: str) -> None:
        self.life.archive(key)

    @precondition(lambda self: Segment.objects.filter(archived_at__isnull=False).exists())
    @rule()
    def restore(self) -> None:
        for key in SEGMENTS:
            self.life.restore(key)

    @rule(lifecycle=st.sampled_from([Tag.Lifecycle.ARCHIVED, Tag.Lifecycle.ACTIVE, Tag.Lifecycle.ACTIVE]))
    def move_card(self, lifecycle: Tag.Lifecycle) -> None:
        self.life.move_card(lifecycle)

    @rule(step=st.sampled_from([*STEPS, timedelta(seconds=1), "midnight", "month"]))
    def pass_time(self, step: timedelta | str) -> None:
        span = next_turn(self.life.now, step) if isinstance(step, str) else step
        if (self.life.now + span).year <= LAST_YEAR:
            self.life.now += span

    @rule(limit=st.sampled_from([1, 3, 500]))
    def work(self, limit: int) -> None:
        self.life.work(limit)

    @rule()
    def work_at_once(self) -> None:
        self.life.work()

    @rule(key=st.sampled_from(ORDER))
    def check(self, key: str) -> None:
        self.life.check(key)

    @rule(key=st.sampled_from(ORDER))
    def refresh(self, key: str) -> None:
        self.life.full(key)

    @invariant()
    def feeds_say_what_is_so(self) -> None:
        if hasattr(self, "life"):
            self.life.look()

    def chosen(self, place: int) -> Any:
        people = self.life.people()
        return people[place % len(people)]


PARTS = {
    "tier:house": ["inside"],
    "tag:card": ["gold", "blue"],
    "segment:loyal": ["loyal"],
    "segment:new": ["new"],
    "tier:club": ["upper", "middle"],
}


@pytest.mark.django_db
def test_by_change_by_clock_and_in_full_agree_whatever_happens(monkeypatch):
    declare_probe(monkeypatch)
    Machine.world = World()
    assert {part for parts in PARTS.values() for part in parts} == set(Rules._fields)

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=int(os.environ.get("LAW_EXAMPLES", "3")),
            stateful_step_count=int(os.environ.get("LAW_STEPS", "20")),
            deadline=None,
            phases=[Phase.explicit, Phase.reuse, Phase.generate] + [Phase.shrink] * ("LAW_SHRINK" in os.environ),
            suppress_health_check=list(HealthCheck),
        ),
    )
