"""What must hold whatever is merged, taken apart and said in whatever order, against a small oracle in plain Python."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from django.core.files.base import ContentFile
from django.db import transaction
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cdp.models import Run
from cdp.rules.causes import Cause
from cdp.rules.holders import holder_of
from profiles.identity.errors import IdentityError
from profiles.identity.retelling import retell
from profiles.imports.engine import import_rows
from profiles.models import (
    Consent,
    Contribution,
    Event,
    Identifier,
    IdentifierKind,
    IdentityChange,
    Import,
    Profile,
    ProfileMerge,
    Separation,
)
from profiles.refresh.full import refresh_in_full
from profiles.services.consents import Said, record_consents
from profiles.services.identity import lift_separation, merge_profiles, split_profile, undo_merge
from profiles.services.imports import create_import, queue_import, take_back
from profiles.services.take_back import take_back_rows
from tags.models import DisplacedTag, Tag, TagAssignment
from tags.services.assign import assign_tag, unassign_tag
from tags.services.expiry import end_expired
from tests.factories.profiles import SourceFactory
from tests.factories.segments import MembershipFactory, SegmentFactory
from tests.factories.tags import TagFactory
from tests.moments import check_moments
from tests.profiles.ingest.messages import START, message, send

NOW = START + timedelta(days=1)
LATER = NOW + timedelta(days=5)
NAMES = ["u1", "u2", "a1", "a2", "a3", "a4"]  # of users, of whom one person may be one, and of visitors
LIMITS = {"user_id": 1}
law = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@dataclass
class Oracle:
    """Who is together, and what is apart: sets of names, and pairs of names."""

    people: list[set[str]] = field(default_factory=list)
    apart: set[frozenset[str]] = field(default_factory=set)
    heard: set[str] = field(default_factory=set)  # those whom messages named, not files alone
    n_messages: int = 0

    def owner(self, name: str) -> set[str]:
        for person in self.people:
            if name in person:
                return person
        person = {name}
        self.people.append(person)
        return person

    def forbids(self, one: set[str], other: set[str]) -> bool:
        users = [name for name in one | other if name.startswith("u")]
        return len(users) > LIMITS["user_id"] or any(frozenset((a, b)) in self.apart for a in one for b in other)

    def say(self, names: list[str]) -> None:
        """A message names these, the highest priority first."""
        self.n_messages += 1
        mine = self.owner(names[0])
        for name in names[1:]:
            other = self.owner(name)
            if other is not mine and not self.forbids(mine, other):
                mine |= other
                self.people = [person for person in self.people if person is not other]

    def part(self, going: set[str]) -> None:
        person = self.owner(next(iter(going)))
        self.apart |= {frozenset((one, other)) for one in going for other in person - going}
        person -= going
        self.people.append(set(going))

    def forget(self, n_messages: int, staying: set[str]) -> None:
        """So many messages are gone, and all names that nobody else has given."""
        assert self.heard <= staying
        self.n_messages -= n_messages
        self.people = [person & staying for person in self.people if person & staying]
        self.apart = {pair for pair in self.apart if pair <= staying}


@st.composite
def scripts(draw):
    """What happens one after the other: (verb, what it is about); numbers choose among whatever there is by then."""
    often, seldom = ["say", "say", "merge", "undo"], ["load", "split", "lift", "tag", "untag", "consent", "take_back"]
    script = []
    for number in range(draw(st.integers(1, 14))):
        verb = draw(st.sampled_from(often + often + seldom))
        if verb in ("say", "load"):
            names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
            at = draw(st.integers(0, 30))
            script.append((verb, (sorted(names, key=lambda name: (name[0] == "a", name)), at, number)))
        else:
            script.append((verb, (draw(st.integers(0, 9)), draw(st.integers(0, 9)))))
    return script


@contextmanager
def world():
    with transaction.atomic():
        IdentifierKind.objects.update(limit_per_profile=None)
        for key, limit in LIMITS.items():
            IdentifierKind.objects.filter(key=key).update(limit_per_profile=limit)
        yield SourceFactory(key="shop"), TagFactory(key="vip")
        transaction.set_rollback(True)


def say(source, names, at, number):
    user = next((name for name in names if name.startswith("u")), None)
    externals = [
        {"type": "user_id" if name.startswith("u") else "anonymous_id", "id": name} for name in names if name != user
    ]
    consents = {"email": number % 3 > 0} if number % 2 else {}
    traits = {
        "city": f"City {number}",
        "birthday": f"2000-02-{10 + number}",
        **({"consents": consents} if consents else {}),
    }
    one = message("identify", user=user, at=at, id=f"m{number:02}", traits=traits, context={"externalIds": externals})
    send(source, one)


def load(source, names, at, number):
    """A file of one row says the same."""
    at_time = (START + timedelta(minutes=at)).isoformat()
    told = {f"Is {name}": name for name in names} | {"City": f"City {number}", "Time": at_time}
    mapping = {
        "identifiers": {f"Is {name}": "user_id" if name.startswith("u") else "anonymous_id" for name in names},
        "traits": {"City": "city"},
        "time": "Time",
    }
    if number % 2:
        mapping["consents"] = {"Mail": "email"}
        told["Mail"] = "yes" if number % 3 else "no"
    content = f"{','.join(told)}\n{','.join(told.values())}\n"
    import_ = create_import(ContentFile(content.encode()), name="f.csv", source=source, mapping=mapping, now=NOW)
    import_rows(import_, queue_import(import_, user=None), now=NOW)
    Run.objects.unfinished().update(state=Run.State.SUCCEEDED)


def denied(*profiles):
    found = Consent.objects.in_force().filter(profile__in=profiles, state=Consent.State.DENIED)
    return set(found.values_list("channel", flat=True))


def values_of(profile):
    return {identifier.value for identifier in profile.identifiers.all()}


def act(oracle, source, tag, verb, what):
    """Do it, here and in the oracle."""
    people = list(Profile.objects.current().filter(identifiers__isnull=False).distinct().order_by("pk"))
    if verb == "say":
        say(source, *what)
        oracle.say(what[0])
        oracle.heard.update(what[0])
        return
    if verb == "load":
        load(source, *what)
        oracle.say(what[0])
        return
    one, other = what
    if not people:
        return
    mine, theirs = people[one % len(people)], people[other % len(people)]
    if verb == "merge" and mine != theirs:
        ours, others = oracle.owner(min(values_of(mine))), oracle.owner(min(values_of(theirs)))
        is_forbidden, refused = oracle.forbids(ours, others), denied(mine, theirs)
        try:
            merge_profiles([mine.pk, theirs.pk], user=None, now=NOW)
        except IdentityError:
            assert is_forbidden
        else:
            assert not is_forbidden
            assert refused <= denied(mine, theirs)
            ours |= others
            oracle.people = [person for person in oracle.people if person is not others]
    elif verb == "split":
        chosen = list(mine.identifiers.order_by("value"))[: 1 + other % 3]
        names = {identifier.value for identifier in chosen}
        try:
            split_profile(mine, chosen, user=None, now=NOW)
        except IdentityError:
            assert names == values_of(mine)
        else:
            oracle.part(names)
    elif verb == "undo" and (merges := list(ProfileMerge.objects.filter(undone_at=None).order_by("pk"))):
        merge = merges[one % len(merges)]
        brought = set(Identifier.objects.filter(origin=merge.absorbed).values_list("value", flat=True))
        try:
            back = undo_merge(merge, user=None, now=NOW)
        except IdentityError:
            return  # nothing would stay, and nothing was changed, as `check` sees
        else:
            assert back == merge.absorbed
            assert brought <= values_of(back)
            oracle.part(values_of(back))
    elif verb == "lift" and (found := Separation.objects.in_force().order_by("pk")):
        separation = found[one % len(found)]
        lift_separation(separation, user=None, now=NOW)
        oracle.apart.discard(frozenset((separation.left.value, separation.right.value)))
    elif verb == "tag":
        assign_tag(tag, [mine.pk], now=NOW)
    elif verb == "untag":
        unassign_tag(tag, [mine.pk], now=NOW)
    elif verb == "consent":
        state = Consent.State.DENIED if other % 2 else Consent.State.GRANTED
        record_consents([Said(mine.pk, "email", state, START + timedelta(minutes=3 * other))], user=None, now=NOW)
    elif verb == "take_back" and (
        imports := [row for row in Import.objects.filter(taken_back_at=None) if row.has_taken_in]
    ):
        import_ = imports[one % len(imports)]
        n_messages = Event.objects.filter(import_id=import_.pk).count()
        take_back_rows(import_, take_back(import_, user=None), now=NOW)
        Run.objects.unfinished().update(state=Run.State.SUCCEEDED)
        oracle.forget(n_messages, set(Identifier.objects.values_list("value", flat=True)))


def check(oracle):
    """Everything hangs where it must."""
    people = Profile.objects.current()
    assert retell([person.pk for person in people]) == set()
    assert {frozenset(values_of(person)) for person in people} == {frozenset(person) for person in oracle.people}
    assert {frozenset((pair.left.value, pair.right.value)) for pair in Separation.objects.in_force()} == oracle.apart
    assert Event.objects.count() == oracle.n_messages
    assert all(event.profile_id == event.anchor.profile_id for event in Event.objects.select_related("anchor"))
    for word in Consent.objects.select_related("anchor", "profile"):
        assert word.profile.merged_into_id is None
        assert word.anchor is None or word.profile_id == word.anchor.profile_id
        assert word.merge is None or word.merge.undone_at is None
    roots = {profile.pk: profile.merged_into_id or profile.pk for profile in Profile.objects.all()}
    for profile_id, root in roots.items():
        assert roots[root] == root
        held = ProfileMerge.objects.filter(absorbed=profile_id, undone_at=None)
        assert held.count() == (root != profile_id)
        for merge in held:
            assert roots[merge.parent_id] == root
    for row in [*TagAssignment.objects.all(), *DisplacedTag.objects.all()]:
        assert row.profile_id == roots[row.profile_id]
    for person in people:
        check_person(person)
    check_moments()
    assert replay() == {pk: root for pk, root in named(roots).items() if pk != root}


def check_person(person):
    first_seen = list(person.identifiers.values_list("first_seen_at", flat=True))
    assert person.first_seen_at == min(first_seen)
    events = Event.objects.filter(profile=person).values_list("occurred_at", flat=True)
    # Later where somebody was but named in a message that was taken for another's.
    assert person.last_seen_at >= max([*events, *first_seen])
    said = Contribution.objects.filter(anchor__profile=person, definition__key="city", fits=True)
    last = max(said, key=lambda row: (row.occurred_at, row.message_id), default=None)
    assert person.attributes.get("city") == (last.value if last else None)


def named(roots):
    public = dict(Profile.objects.values_list("pk", "public_id"))
    return {public[pk]: public[root] for pk, root in roots.items()}


def replay():
    """Who leads to whom for somebody who read the feed, and nothing else."""
    into = {}
    for profile, change, other in IdentityChange.objects.order_by("id").values_list("profile", "change", "into"):
        if change == "merged":
            into[profile] = other
        else:
            into.pop(other, None)

    def last(profile):
        while profile in into:
            profile = into[profile]
        return profile

    return {profile: last(profile) for profile in into}


@pytest.mark.django_db
@settings(law, max_examples=40)
@given(scripts())
@example([("say", (["u1", "u2"], 0, 0)), ("load", (["u2"], 0, 1)), ("take_back", (0, 0))])
def test_whatever_happens_people_are_as_a_small_oracle_says(script):
    with world() as (source, tag):
        oracle = Oracle()
        for verb, what in script:
            act(oracle, source, tag, verb, what)
            check(oracle)


def state():
    """Everybody, by public id."""
    return {
        person.public_id: (
            person.attributes,
            person.first_seen_at,
            person.last_seen_at,
            values_of(person),
            set(Event.objects.filter(profile=person).values_list("pk", flat=True)),
            set(Consent.objects.filter(profile=person).values_list("pk", flat=True)),
            set(TagAssignment.objects.filter(profile=person).values_list("tag", "assigned_at", "origin", "is_ended")),
        )
        for person in Profile.objects.current()
    }


def since_when(segment):
    return dict(segment.memberships.values_list("profile", "entered_at"))


@st.composite
def crowds(draw):
    """Messages that name up to five people, then merges of them, and an order in which these are undone."""
    said = [
        (f"a{draw(st.integers(0, 4))}", draw(st.integers(0, 30)), number) for number in range(draw(st.integers(2, 10)))
    ]
    tagged = draw(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), st.booleans()), max_size=5))
    inside = draw(st.dictionaries(st.integers(0, 4), st.integers(0, 2), max_size=5))
    merges = draw(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=4))
    return said, tagged, inside, merges, draw(st.randoms(use_true_random=False)), draw(st.booleans())


@pytest.mark.django_db
@settings(law, max_examples=30)
@given(crowds())
def test_taking_apart_after_merging_is_the_identity(crowd):
    said, tagged, inside, merges, random, is_by_split = crowd
    with world() as (source, tag):
        for name, at, number in said:
            say(source, [name], at, number)
        people = list(Profile.objects.order_by("pk"))
        for who, days, ends in tagged:
            at = NOW + timedelta(days=days)
            assign_tag(tag, [people[who % len(people)].pk], expires_at=at + timedelta(days=1) if ends else None, now=at)
        end_expired(now=LATER)
        segment = SegmentFactory(rule={"op": "identifier", "kind": "anonymous_id"})
        for who, days in inside.items():
            if who < len(people):
                MembershipFactory(segment=segment, profile=people[who], entered_at=NOW + timedelta(days=days))
        before, members = state(), since_when(segment)
        for one, other in merges:
            pair = [people[one % len(people)].pk, people[other % len(people)].pk]
            try:
                merge_profiles(pair, user=None, now=LATER)
            except IdentityError:
                continue  # one person already
        made = list(ProfileMerge.objects.all())
        random.shuffle(made)
        for merge in made:
            merge.refresh_from_db()
            if is_by_split and merge.undone_at is None:
                mine = Identifier.objects.filter(profile=merge.absorbed.merged_into_id, origin=merge.absorbed)
                split_profile(merge.absorbed, mine, user=None, now=LATER)
            elif merge.undone_at is None:
                undo_merge(merge, user=None, now=LATER)

        refresh_in_full(holder_of(f"segment:{segment.key}"), now=LATER, cause=Cause.RULE)
        assert state() == before
        check_moments()
        assert members.items() <= since_when(segment).items()  # the others enter as they are judged
        assert Tag.objects.get() == tag
        assert not ProfileMerge.objects.filter(undone_at=None).exists()
