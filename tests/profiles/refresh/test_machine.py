"""The law of refresh as a machine: whatever happens in whatever order, by change and by clock == in full == the oracle.

`LAW_STEPS` and `LAW_EXAMPLES` make it long.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from json import dumps, loads
from random import Random
from types import SimpleNamespace
from typing import Any, ClassVar
from uuid import UUID

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

from profiles.identity import strangers
from profiles.models import Identifier, Import, Profile, ProfileMerge, Separation
from segments.models import Segment
from tags.models import Tag
from tests.profiles.ingest.messages import message
from tests.profiles.refresh.facts import COLUMNS
from tests.profiles.refresh.life import FROZEN, Life, next_turn
from tests.profiles.refresh.test_laws import ORDER, Rules, mixed_rules, rule_sets, without
from tests.strategies import (
    ATTRIBUTES,
    CHANNELS,
    GUESTS,
    NOWS,
    SEGMENTS,
    STEPS,
    common_traits,
    days,
    events,
    moments,
    nasty_values_of,
    words,
)
from tests.world import World, declare_probe

NAMES = {"a1": "anonymous_id", "a2": "anonymous_id", "a3": "anonymous_id", "u1": "user_id", "u2": "user_id"}
NAMES["e1@example.com"] = "email"
LAST_YEAR = 2030  # of the world's partitions
who = st.lists(st.sampled_from(sorted(NAMES)), min_size=1, max_size=2, unique=True)
number, often = st.integers(0, 9), st.sampled_from([True, True, False])
FIRST = ["a1", "a2", "u1", "e1@example.com"]  # who are there from the start
some_of_them = st.lists(st.sampled_from(FIRST), max_size=4)
# What attributes may become: their types, and by what of each value the golden record goes.
KINDS_OF = {
    "n": {"number": ["most_recent", "first", "max", "min"]},
    "city": {"text": ["most_recent", "first"]},
    "7": {"text": ["most_recent"], "number": ["most_recent", "max"]},
    "a.b": {"text": ["first"], "list": ["union", "most_recent"]},
    "met_at": {"datetime": ["most_recent", "max", "min"]},
}


def said(type_: str, names: list[str], at: datetime, **fields: Any) -> dict[str, Any]:
    """A message of whoever has these names."""
    externals = [{"type": NAMES[name], "id": name} for name in names]
    sent: dict[str, Any] = message(type_, **fields, context={"externalIds": externals})
    return sent | {"timestamp": at.isoformat()}


def to_take_back() -> list[Import]:
    """All that stand; of one whose rows were all refused there is nothing to be taken back."""
    imports = Import.objects.filter(taken_back_at=None).order_by("pk")
    return [import_ for import_ in imports if import_.has_taken_in]


class Machine(RuleBasedStateMachine):
    """One life in a world that is as it was before for the next."""

    world: ClassVar[World]
    noise: ClassVar[Random]

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        self.noise.seed(0)
        self.savepoint = transaction.savepoint()
        now = data.draw(st.sampled_from(NOWS))
        self.life = Life(self.world, now, data.draw(rule_sets(now)))
        self.life.hear(
            *(said("identify", [name], now, traits=data.draw(common_traits())) for name in FIRST),
            *(said("track", [name], now, event="Buy", properties={"total": 1}) for name in data.draw(some_of_them)),
        )
        self.life.work()

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
        traits = {key: data.draw(nasty_values_of(ATTRIBUTES[key], now)) for key in keys} | data.draw(common_traits())
        if data.draw(st.booleans()):
            traits["consents"] = {data.draw(st.sampled_from(CHANNELS)): data.draw(st.booleans())}
        self.life.hear(said("identify", names, now, traits=traits))

    @rule(data=st.data(), names=who)
    def track(self, data: st.DataObject, names: list[str]) -> None:
        common = st.fixed_dictionaries(
            {"name": st.just("Buy"), "occurred_at": moments(self.life.now), "properties": st.just({"total": 1})}
        )
        done = data.draw(st.lists(st.one_of(common, events(self.life.now)), min_size=1, max_size=3))
        self.life.hear(
            *(
                said("track", names, each["occurred_at"], event=each["name"], properties=each["properties"])
                for each in done
            )
        )

    @rule(data=st.data(), crowd=st.lists(who, min_size=1, max_size=2))
    def load(self, data: st.DataObject, crowd: list[list[str]]) -> None:
        now = self.life.now
        cells = st.fixed_dictionaries(
            {"Time": moments(now).map(datetime.isoformat)},
            optional={
                "City": st.sampled_from(["Oslo", "oslo"]),
                "Born": days(now).map(date.isoformat),
                "Total": st.sampled_from("12"),
                "Tagged": st.just("yes"),
                "Invited": st.just("yes"),
            },
        )
        self.life.load([{COLUMNS[NAMES[name]]: name for name in names} | data.draw(cells) for names in crowd])

    @precondition(lambda self: bool(to_take_back()))
    @rule(place=number)
    def take_back(self, place: int) -> None:
        imports = to_take_back()
        self.life.take_back(imports[place % len(imports)])

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
    @rule(one=number, other=number, is_alone=often)
    def merge(self, one: int, other: int, is_alone: bool) -> None:
        first, *others = sorted(self.life.people(), key=lambda each: each != self.chosen(one))
        with self.alone(is_alone):
            self.life.merge(first, others[other % len(others)])

    @precondition(lambda self: self.life.people())
    @rule(place=number, what=st.sampled_from(["undo", "undo", "split", "lift"]), is_alone=often)
    def part(self, place: int, what: str, is_alone: bool) -> None:
        with self.alone(is_alone):
            getattr(self, what)(place)

    def undo(self, place: int) -> None:
        merges = list(ProfileMerge.objects.filter(undone_at=None).order_by("pk"))
        if merges:
            self.life.undo(merges[place % len(merges)])

    def split(self, place: int) -> None:
        profile = self.chosen(place)
        theirs = Identifier.objects.filter(profile=profile).order_by("value")
        self.life.split(profile, list(theirs[: 1 + place % 2]))

    def lift(self, place: int) -> None:
        for separation in Separation.objects.in_force():
            self.life.lift(separation)

    @rule(data=st.data(), key=st.sampled_from(ORDER), is_busy=st.booleans())
    def edit(self, data: st.DataObject, key: str, is_busy: bool) -> None:
        """Other rules for one holder."""
        later = frozenset(ORDER[ORDER.index(key) :])
        drawn = {part: without(data.draw(mixed_rules(self.life.now)), later) for part in PARTS[key]}
        if Segment.objects.filter(key=FROZEN).exists() and data.draw(st.booleans()):
            drawn = loads(dumps(drawn).replace(f'"key": "{GUESTS}"', f'"key": "{FROZEN}"'))
        self.life.edit(key, self.life.rules._replace(**drawn), is_busy=is_busy)

    @rule(data=st.data(), what=st.sampled_from(["put_away", "put_away", "restore", "freeze", "redefine", "move_card"]))
    def administer(self, data: st.DataObject, what: str) -> None:
        getattr(self, what)(data)

    def put_away(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(SEGMENTS))
        act = data.draw(st.sampled_from([self.life.archive, self.life.drop]))
        for segment in Segment.objects.current().filter(key=key):
            act(segment)

    def restore(self, data: st.DataObject) -> None:
        for segment in Segment.objects.filter(archived_at__isnull=False).order_by("key"):
            self.life.restore(segment)

    def freeze(self, data: st.DataObject) -> None:
        for segment in Segment.objects.current().filter(key=data.draw(st.sampled_from([*SEGMENTS, GUESTS]))):
            self.life.freeze(segment)

    def redefine(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(KINDS_OF)))
        type_ = data.draw(st.sampled_from(sorted(KINDS_OF[key])))
        self.life.redefine(key, type_=type_, survivorship=data.draw(st.sampled_from(KINDS_OF[key][type_])))

    def move_card(self, data: st.DataObject) -> None:
        card = Tag.objects.get(key="card")
        is_active = card.lifecycle == Tag.Lifecycle.ACTIVE
        self.life.move_card(Tag.Lifecycle.ARCHIVED if is_active else Tag.Lifecycle.ACTIVE)

    @rule(step=st.sampled_from([*STEPS, timedelta(seconds=1), "midnight", "month"]), is_alone=often)
    def pass_time(self, step: timedelta | str, is_alone: bool) -> None:
        span = next_turn(self.life.now, step) if isinstance(step, str) else step
        if (self.life.now + span).year <= LAST_YEAR:
            with self.alone(is_alone):
                self.life.pass_time(span)

    @rule(limit=st.sampled_from([1, 3, 500]))
    def work(self, limit: int) -> None:
        self.life.work(limit)

    @rule()
    def work_at_once(self) -> None:
        self.life.work()

    @rule(key=st.sampled_from(ORDER), is_check=st.booleans())
    def judge_everybody(self, key: str, is_check: bool) -> None:
        (self.life.check if is_check else self.life.full)(key)

    @invariant()
    def feeds_say_what_is_so(self) -> None:
        if hasattr(self, "life"):
            self.life.look()

    @contextmanager
    def alone(self, is_alone: bool) -> Iterator[None]:
        """All was as it should be before this, and is again after it; else other things happen beside it."""
        if is_alone:
            self.life.work()
            self.life.look()
        yield
        if is_alone:
            self.life.work()

    def chosen(self, place: int) -> Any:
        people = self.life.people()
        return people[place % len(people)]


PARTS = {
    "tier:house": ["inside"],
    "tag:card": ["gold", "blue"],
    "tag:solo": ["solo"],
    "segment:loyal": ["loyal"],
    "segment:new": ["new"],
    "tier:club": ["upper", "middle"],
}


@pytest.fixture
def noise(monkeypatch: pytest.MonkeyPatch) -> Random:
    """From where public ids come: who survives a merge, and rules, ask for them, and the same life must come again."""
    drawn = Random()
    monkeypatch.setattr(strangers, "os", SimpleNamespace(urandom=drawn.randbytes))
    field = Profile._meta.get_field("public_id")
    monkeypatch.setattr(field, "_get_default", lambda: UUID(bytes=drawn.randbytes(16), version=4))
    return drawn


@pytest.mark.django_db
def test_by_change_by_clock_and_in_full_agree_whatever_happens(monkeypatch, noise):
    declare_probe(monkeypatch)
    Machine.world, Machine.noise = World(), noise
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
