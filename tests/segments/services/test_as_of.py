"""Who was in at a moment is who was recorded then, whatever hands, merges and splits did before and after."""

from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiles.identity.errors import IdentityError
from profiles.models import ProfileMerge
from profiles.services.identity import merge_profiles, undo_merge
from segments.models import Membership
from segments.services import add_members, remove_members
from segments.services.as_of import members_as_of
from tests.clients import api_of
from tests.factories.profiles import SEEN_AT, IdentifierFactory, ProfileFactory
from tests.factories.segments import MembershipChangeFactory, SegmentFactory, StaticSegmentFactory
from tests.profiles.services.identity.test_laws import law, world
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db
STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "remove", "merge", "undo"]), st.integers(0, 3), st.integers(0, 3)), max_size=12
)


def recorded(segment):
    return set(Membership.objects.filter(segment=segment).values_list("profile_id", flat=True))


def then(segment, at):
    return [row.profile_id for row in members_as_of(segment.pk, at)]


def take(step, segment, people, now):
    what, one, other = step
    if what == "add":
        add_members(segment, [people[one].pk], now=now)
    elif what == "remove":
        remove_members(segment, [people[one].pk], now=now)
    elif what == "merge":
        merge_profiles([people[one].pk, people[other].pk], user=None, now=now)
    elif (merge := ProfileMerge.objects.filter(undone_at=None).order_by("-pk").first()) is not None:
        undo_merge(merge, user=None, now=now)


@settings(law, max_examples=25)
@given(STEPS)
def test_any_moment_answers_what_was_recorded_then(steps):
    with world():
        segment = StaticSegmentFactory()
        people = [ProfileFactory() for _index in range(4)]
        for n, person in enumerate(people):
            IdentifierFactory(profile=person, kind_key="email", value=f"{n}@example.com")
        states = [(SEEN_AT, recorded(segment))]
        for n, step in enumerate(steps, start=1):
            at = SEEN_AT + timedelta(minutes=n)
            with suppress(IdentityError):  # one person already
                take(step, segment, people, at)
            states.append((at, recorded(segment)))

        for at, state in states:
            answered = then(segment, at)
            assert set(answered) == state
            assert answered == sorted(state)
            assert then(segment, at + timedelta(seconds=59)) == answered


def test_the_order_of_the_feed_counts_where_times_are_the_same_or_run_back():
    segment = StaticSegmentFactory()
    ann, bob, cleo, dora = sorted((ProfileFactory() for _number in range(4)), key=lambda each: each.pk)
    minute = timedelta(minutes=1)
    told = [
        (ann, "entered", 1), (ann, "left", 1),
        (bob, "entered", 0), (bob, "left", 1), (bob, "entered", 1),
        (cleo, "entered", 2), (cleo, "left", 1),  # whose batch began earlier and came to its end later
        (dora, "left", 2), (dora, "entered", 1),
    ]  # fmt: skip
    for person, change, minutes in told:
        MembershipChangeFactory(segment=segment, profile=person, change=change, at=SEEN_AT + minutes * minute)

    assert then(segment, SEEN_AT) == [bob.pk]
    assert then(segment, SEEN_AT + minute) == [bob.pk, dora.pk]
    assert then(segment, SEEN_AT + 2 * minute) == [bob.pk, dora.pk]


def test_the_api_answers_for_a_moment_and_refuses_what_is_none():
    segment = SegmentFactory(key="oslo")
    first = MembershipChangeFactory(segment=segment, at=SEEN_AT)
    MembershipChangeFactory(segment=segment, profile=first.profile, change="left", at=SEEN_AT + timedelta(days=2))
    MembershipChangeFactory(segment=segment, at=SEEN_AT + timedelta(days=2))
    api = api_of("viewer")

    def asked(text):
        return api.send("get", f"segments/oslo/members/?as_of={text}").json()

    assert asked("2026-01-02T00:00:00Z")["results"] == [
        {"profile": str(first.profile.public_id), "entered_at": "2026-01-01T00:00:00Z"}
    ]
    assert asked("2025-01-02T00:00:00Z")["results"] == []
    assert asked("2026-01-02T08:00:00%2B08:00") == asked("2026-01-02T00:00:00Z")
    for wrong in ("yesterday", "2026-01-02T00:00:00", "2999-01-01T00:00:00Z"):
        assert asked(wrong)["errors"][0]["path"] == "as_of"


def test_the_page_shows_who_was_in_in_the_business_zone():
    segment = SegmentFactory()
    change = MembershipChangeFactory(segment=segment, at=SEEN_AT)  # eight in the morning in Shanghai
    MembershipChangeFactory(segment=segment, profile=change.profile, change="left", at=SEEN_AT + timedelta(hours=1))
    client, address = sign_in("operator"), f"/admin/segments/segment/{segment.pk}/members/?as_of="

    inside = client.get(f"{address}2026-01-01T08:30").content.decode()
    before = client.get(f"{address}2026-01-01T07:59").content.decode()
    wrong = client.get(f"{address}noon", follow=True).content.decode()

    assert "1 member at 2026-01-01 08:30" in inside
    assert f"/admin/profiles/profile/{change.profile_id}/change/" in inside
    assert "The segment was made later." in before
    assert "This is no time: noon" in wrong
