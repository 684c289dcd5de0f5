"""The law of refresh: by change and by clock == in full == the oracle, for random rules, people and changes, as time
passes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pytest
from django.db import transaction
from django.test import override_settings
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from cdp.rules.causes import Cause
from cdp.rules.holders import holder_of
from profiles.ingest.moments import index_moments
from profiles.models import Event, Profile, ProfileChange
from profiles.refresh.changes import refresh_changes
from profiles.refresh.clock import follow_time
from profiles.refresh.enqueue import enqueue_coming
from profiles.refresh.full import refresh_in_full
from segments.models import Membership, MembershipChange, Segment, TierScheme, TierStanding
from tags.models import Score, Tag, TagAssignment, TagValue
from tests.oracles import Person, holds
from tests.profiles.refresh.shorthand import replayed
from tests.strategies import (
    ATTRIBUTES,
    CHANNELS,
    KINDS,
    NOWS,
    NOWS_OF_NEW_YORK,
    STEPS,
    TYPES,
    common_rules,
    crowds,
    events,
    moments,
    nasty_values_of,
    rules,
    timed_rules,
    words,
)
from tests.world import World, declare_probe

pytestmark = pytest.mark.django_db

# Each may speak of those before.
ORDER = ["tier:house", "tag:card", "tag:solo", "segment:loyal", "segment:new", "tier:club"]
N_ROUNDS, SEEN = 5, (2, 4)  # the workers are there at the third and the last
PROPERTY = settings(
    max_examples=10,  # 40 were run when this was written; one takes about a second
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


class Rules(NamedTuple):
    """A rule for each outcome of each holder, the preferred first."""

    inside: Any
    gold: Any
    blue: Any
    solo: Any
    loyal: Any
    new: Any
    upper: Any
    middle: Any


class Edit(NamedTuple):
    """Something that happens to the person at `place`: what it is, and what it comes to."""

    place: int
    what: str
    value: Any


class Round(NamedTuple):
    """Time passes, then things happen, and then the workers look at it unless they are away."""

    step: timedelta
    edits: list[Edit]
    is_seen: bool


class Story(NamedTuple):
    now: datetime
    persons: list[Person]
    first: Rules
    rounds: list[Round]
    second: Rules


def without(rule: Any, later: frozenset[str]) -> Any:
    """The rule, in which conditions on holders that come later are replaced: they would make a circle."""
    match rule:
        case {"not": node}:
            return {"not": without(node, later)}
        case {"all": nodes} | {"any": nodes}:
            return {next(iter(rule)): [without(node, later) for node in nodes]}
        case {"op": "tag" | "segment" | "tier" as kind, "key": key} | {"op": "tier" as kind, "scheme": key} if (
            f"{kind}:{key}" in later
        ):
            return {"op": "attribute", "key": "city", "is": "set"}
    return rule


def mixed_rules(now: datetime) -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of(common_rules(), common_rules(), timed_rules(now), rules(now))


@st.composite
def rule_sets(draw: st.DrawFn, now: datetime) -> Rules:
    later = [frozenset(ORDER[place:]) for place in range(len(ORDER))]
    places = [0, 1, 1, 2, 3, 4, 5, 5]
    return Rules(*(without(draw(mixed_rules(now)), later[place]) for place in places))


@st.composite
def stories(draw: st.DrawFn, nows: list[datetime]) -> Story:
    """People, rules, three rounds, other rules, and two more rounds."""
    now = draw(st.sampled_from(nows))
    persons = draw(crowds(now))
    place = st.integers(0, len(persons) - 1)
    attribute = st.sampled_from(sorted(ATTRIBUTES)).flatmap(
        lambda key: st.tuples(st.just(key), nasty_values_of(ATTRIBUTES[key], now))
    )
    scores = st.one_of(
        st.none(), st.fixed_dictionaries({"level": st.integers(-3, 3)}, optional={"class": st.sampled_from("ab")})
    )
    plain = st.one_of(st.none(), st.tuples(st.none(), st.one_of(st.none(), moments(now))))
    edit = st.one_of(
        st.builds(Edit, place, st.just("attribute"), attribute),
        st.builds(
            Edit,
            place,
            st.just("event"),
            events(now).map(lambda event: {**event, "occurred_at": min(event["occurred_at"], now)}),
        ),
        st.builds(Edit, place, st.just("plain"), plain),
        st.builds(Edit, place, st.just("probe"), scores),
        st.builds(Edit, place, st.just("identifier"), st.sampled_from(KINDS)),
        st.builds(Edit, place, st.just("consent"), st.tuples(st.sampled_from(CHANNELS), words(now))),
    )
    step = st.one_of(st.just(timedelta()), st.sampled_from(STEPS))
    one = st.builds(Round, step, st.lists(edit, max_size=5), st.booleans())
    rounds = [draw(one)._replace(is_seen=number in SEEN or draw(st.booleans())) for number in range(N_ROUNDS)]
    return Story(now, persons, draw(rule_sets(now)), rounds, draw(rule_sets(now)))


class Stage:
    """The holders and the people of one story."""

    def __init__(self, world: World, story: Story) -> None:
        self.world, self.now = world, story.now
        Tag.objects.filter(key__in=["card", "solo"]).update(kind=Tag.Kind.RULE)
        for person in story.persons:
            person.segments.clear()
            for key in ("card", "solo"):
                person.tags.pop(key, None)
            person.tiers.clear()
            person.created_at = min(person.created_at, story.now)
        self.persons = {world.write(person).pk: person for person in story.persons}
        for profile_id in self.persons:
            self.enqueue(profile_id, "created")
        enqueue_coming(list(self.persons), now=self.now)
        self.set_rules(story.first)

    def set_rules(self, rules: Rules) -> None:
        self.rules = rules
        for key in ("gold", "blue"):
            TagValue.objects.filter(key=key).update(rule=getattr(rules, key))
        Tag.objects.filter(key="solo").update(rule=rules.solo)
        for key in ("loyal", "new"):
            Segment.objects.filter(key=key).update(rule=getattr(rules, key))
        self.world.schemes["house"].tiers.filter(key="in").update(entry=rules.inside)
        for key in ("upper", "middle"):
            self.world.schemes["club"].tiers.filter(key=key).update(entry=getattr(rules, key))

    def enqueue(self, profile_id: int, topic: str) -> None:
        ProfileChange.objects.create(profile_id=profile_id, topic=topic, due_at=self.now)

    def play(self, edit: Edit) -> None:
        """Make an edit in the tables, in the oracle's person, and in the queue."""
        profile_id = list(self.persons)[edit.place]
        person = self.persons[profile_id]
        match edit.what:
            case "attribute":
                key, value = edit.value
                person.attributes[key] = value
                Profile.objects.filter(pk=profile_id).update(attributes=person.attributes)
                index_moments([profile_id])
                self.enqueue(profile_id, f"attribute:{key}")
            case "event":
                person.events.append(edit.value)
                self.write_event(profile_id, edit.value)
                self.enqueue(profile_id, f"event:{edit.value['name']}")
            case "plain":
                person.tags.pop("plain", None)
                TagAssignment.objects.filter(profile=profile_id, tag__key="plain").delete()
                if edit.value:
                    person.tags["plain"] = edit.value
                    tag, expires_at = self.world.tags["plain"], edit.value[1]
                    TagAssignment.objects.create(
                        profile_id=profile_id, tag=tag, assigned_at=self.now, expires_at=expires_at
                    )
                self.enqueue(profile_id, "tag:plain")
            case "probe":
                person.scores.pop("probe", None)
                Score.objects.filter(profile=profile_id).delete()
                if edit.value is not None:
                    person.scores["probe"] = edit.value
                    Score.objects.create(profile_id=profile_id, model="probe", values=edit.value, scored_at=self.now)
                self.enqueue(profile_id, "score:probe")
            case "identifier" if edit.value not in person.identifiers:
                was_known = person.is_known
                person.identifiers.add(edit.value)
                self.world.write_identifier(Profile.objects.get(pk=profile_id), edit.value)
                self.enqueue(profile_id, f"identifier:{edit.value}")
                if person.is_known and not was_known:
                    self.enqueue(profile_id, "attribute:is_known")
            case "consent":
                channel, (occurred_at, state) = edit.value
                person.consents.setdefault(channel, []).append((occurred_at, state))
                self.world.write_consent(Profile.objects.get(pk=profile_id), channel, occurred_at, state)
                self.enqueue(profile_id, f"consent:{channel}")

    def write_event(self, profile_id: int, event: dict[str, Any]) -> None:
        anchor = Profile.objects.get(pk=profile_id).identifiers.get(kind__key="device_id")
        definition = self.world.events[event["name"]]
        Event.objects.create(
            profile_id=profile_id,
            anchor=anchor,
            source=self.world.source,
            definition=definition,
            **{key: event[key] for key in ("occurred_at", "value", "properties")},
        )

    def work(self) -> None:
        """What the workers do at this moment: the tick, and whatever is due on the queue. Nobody moves twice by it."""
        before = MembershipChange.objects.count()
        follow_time(now=self.now)
        while refresh_changes(now=self.now, limit=3):
            pass
        moves = list(MembershipChange.objects.order_by("id").values_list("segment", "profile")[before:])
        assert len(moves) == len(set(moves))
        self.judge()

    def refresh(self) -> list[int]:
        """Everything in full; how many moved."""
        moves = [refresh_in_full(holder_of(key), now=self.now, cause=Cause.RULE) for key in ORDER]
        self.judge()
        return moves

    def judge(self) -> None:
        """The oracle folds over the same moments: since when people are in a segment is what this notes of them."""
        self.expected = {pk: judged(person, self.rules, self.now) for pk, person in self.persons.items()}

    def written(self) -> dict[int, tuple[Any, ...]]:
        """By profile: solo or not, value of the card, since when loyal and new, tiers of the house and the club."""
        cards = dict(TagAssignment.objects.filter(tag__key="card").values_list("profile", "value__key"))
        solo = set(TagAssignment.objects.filter(tag__key="solo").values_list("profile", flat=True))
        loyal, new = (
            dict(Membership.objects.filter(segment__key=key).values_list("profile", "entered_at"))
            for key in ("loyal", "new")
        )
        house, club = (
            dict(TierStanding.objects.filter(scheme__key=key).values_list("profile", "tier__key"))
            for key in ("house", "club")
        )
        held = (cards, loyal, new, house, club)
        return {pk: (pk in solo, *(each.get(pk) for each in held)) for pk in self.persons}


def judged(person: Person, rules: Rules, now: datetime) -> tuple[Any, ...]:
    """The oracle: each holder in order, each seeing what those before have written; notes on the person who entered."""
    seen = Person(**{**vars(person), "tags": dict(person.tags), "tiers": {}})
    seen.tiers["house"] = "in" if holds(rules.inside, seen, TYPES, now) else "out"
    card = next((key for key in ("gold", "blue") if holds(getattr(rules, key), seen, TYPES, now)), None)
    if card is not None:
        seen.tags["card"] = (card, None)
    is_solo = holds(rules.solo, seen, TYPES, now)
    if is_solo:
        seen.tags["solo"] = (None, None)
    for key in ("loyal", "new"):
        if holds(getattr(rules, key), seen, TYPES, now):
            person.segments.setdefault(key, now)
        else:
            person.segments.pop(key, None)
    tier = next((key for key in ("upper", "middle") if holds(getattr(rules, key), seen, TYPES, now)), "lowest")
    return is_solo, card, person.segments.get("loyal"), person.segments.get("new"), seen.tiers["house"], tier


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    declare_probe(monkeypatch)
    return World()


@contextmanager
def rolled_back() -> Iterator[None]:
    """A savepoint, since a batch of changes insists on being the outermost transaction but the test's own."""
    savepoint = transaction.savepoint()
    try:
        yield
    finally:
        transaction.savepoint_rollback(savepoint)


def play(world: World, story: Story) -> None:
    nobody = [0] * len(ORDER)
    with rolled_back():
        stage = Stage(world, story)
        stage.work()
        assert stage.written() == stage.expected

        for number, (step, edits, is_seen) in enumerate(story.rounds):
            stage.now += step
            for edit in edits:
                stage.play(edit)
            if is_seen:
                stage.work()
                assert stage.written() == stage.expected
            if number == SEEN[0]:
                assert stage.refresh() == nobody
                stage.set_rules(story.second)
                stage.refresh()
                assert stage.written() == stage.expected
                assert stage.refresh() == nobody

        assert stage.refresh() == nobody
        for segment in Segment.objects.all():
            members = set(segment.memberships.values_list("profile", flat=True))
            assert replayed(segment) == members
            assert segment.n_members == len(members)
        assert not TierScheme.objects.exclude(refresh_error="").exists()


@PROPERTY
@given(story=stories(NOWS))
def test_by_change_by_clock_and_in_full_agree_with_the_oracle(world, story):
    play(world, story)


@settings(PROPERTY, max_examples=5)
@given(story=stories([*NOWS_OF_NEW_YORK, *NOWS]))
def test_so_they_do_where_clocks_are_put_forward_and_back(world, story):
    with override_settings(TIME_ZONE="America/New_York"):
        play(world, story)
