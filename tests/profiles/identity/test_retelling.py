"""What joins decide on consents, when messages tell late of what was before."""

from datetime import timedelta
from itertools import permutations

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from profiles.identity.retelling import retell
from profiles.models import Consent, Identifier, Profile, ProfileChange, ProfileMerge, Separation
from profiles.services.consents import Said, record_consents
from profiles.services.identity import lift_separations, merge_profiles, split_profile, undo_merge
from tests.factories.cdp import UserFactory
from tests.factories.profiles import SourceFactory
from tests.profiles.ingest.messages import START, identify, profile_of, send

pytestmark = pytest.mark.django_db
NOW = START + timedelta(days=1)


@pytest.fixture
def shop():
    return SourceFactory()


def in_force(value):
    profile = profile_of("anonymous_id", value)
    return {consent.channel: consent.state for consent in Consent.objects.in_force().filter(profile=profile)}


def decided():
    return list(Consent.objects.filter(source=None).values_list("channel", "state", "occurred_at"))


def say(shop, anonymous, at, word=None, **more):
    consents = {} if word is None else {"consents": {"email": word}}
    send(shop, identify(anonymous=anonymous, at=at, **consents, **more))


def test_a_yes_from_before_the_join_that_comes_after_it_is_overruled_by_the_others_no(shop):
    say(shop, "a", 1, False)
    say(shop, "b", 0)
    say(shop, "a", 5, user="u")
    say(shop, "b", 6, user="u")
    assert in_force("a") == {"email": "denied"}

    say(shop, "b", 3, True)

    assert in_force("a") == {"email": "denied"}
    assert decided() == [("email", "denied", START + timedelta(minutes=6))]


def test_a_join_that_turns_out_to_be_earlier_decides_earlier(shop):
    say(shop, "a", 1, False)
    say(shop, "b", 2, True)
    say(shop, "a", 3, user="u")
    say(shop, "b", 8, user="u")
    say(shop, "b", 6, True)
    assert in_force("a") == {"email": "denied"}

    say(shop, "b", 4, user="u")

    assert decided() == [("email", "denied", START + timedelta(minutes=4))]
    assert in_force("a") == {"email": "granted"}


def test_who_is_decided_on_otherwise_is_judged_again(shop, monkeypatch):
    monkeypatch.setattr("profiles.ingest.process.heard_topics", lambda: {"consent:email"})
    say(shop, "a", 1, False)
    say(shop, "b", 2, True)
    say(shop, "a", 3, user="u")
    say(shop, "b", 8, user="u")
    say(shop, "b", 6, True)
    ProfileChange.objects.all().delete()

    say(shop, "b", 4, user="u")

    assert list(ProfileChange.objects.values_list("topic", flat=True)) == ["consent:email"]


def test_a_late_word_meets_a_merge_by_hand_and_goes_when_that_is_undone(shop):
    say(shop, "a", 1, False)
    say(shop, "b", 9)
    ann, bob = profile_of("anonymous_id", "a"), profile_of("anonymous_id", "b")
    merge_profiles([ann.pk, bob.pk], user=None, now=NOW)

    say(shop, "b", 3, True)
    assert in_force("a") == {"email": "denied"}
    undo_merge(ProfileMerge.objects.get(), user=None, now=NOW)

    assert (in_force("a"), in_force("b")) == ({"email": "denied"}, {"email": "granted"})
    assert decided() == []


def tell(state, at):
    """Somebody writes down by hand what the person with the device “a” said."""
    person = profile_of("anonymous_id", "a")
    said = Said(person.pk, "email", Consent.State(state), START + timedelta(minutes=at))
    return record_consents([said], user=UserFactory(), now=NOW)


def test_a_backdated_yes_by_hand_is_overruled_at_once_by_the_no_of_who_joined_later(shop):
    say(shop, "b", 0)
    say(shop, "a", 1, False)
    say(shop, "b", 5, user="u")
    say(shop, "a", 6, user="u")
    ProfileChange.objects.all().delete()

    tell("granted", 3)

    assert in_force("a") == {"email": "denied"}
    assert list(Consent.objects.filter(source=None, recorded_at=None).values_list("state", "occurred_at")) == [
        ("denied", START + timedelta(minutes=6))
    ]
    assert ProfileChange.objects.filter(topic="consent:email").count() == 1
    say(shop, "b", 2)
    assert in_force("a") == {"email": "denied"}


def test_a_backdated_no_by_hand_lets_a_word_of_others_go_that_had_been_overruled(shop):
    """The no of before the join was the person's own, and so was their yes: nothing is left to be overruled."""
    say(shop, "b", 0)
    say(shop, "a", 1, False)
    say(shop, "b", 2, True)
    say(shop, "b", 5, user="u")
    say(shop, "a", 6, user="u")
    assert decided() == [("email", "denied", START + timedelta(minutes=6))]

    tell("denied", 4)

    assert in_force("a") == {"email": "denied"}
    assert not Consent.objects.filter(source=None, recorded_at=None).exists()


@st.composite
def late_words(draw):
    """When two devices logged in, and words of either or by hand, each (who, state, minute), in two orders."""
    logins = draw(st.tuples(st.integers(2, 8), st.integers(2, 8)))
    word = st.tuples(st.sampled_from(["a", "b", "hand"]), st.sampled_from(["granted", "denied"]), st.integers(1, 10))
    said = draw(st.lists(word, min_size=2, max_size=5, unique=True))
    return logins, said, draw(st.permutations(said))


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(late_words())
def test_words_by_hand_and_by_message_give_the_same_in_any_order(late):
    logins, said, as_they_came = late

    def told(words):
        shop = SourceFactory()
        for device, at in zip("ba", (0, 1), strict=True):
            say(shop, device, at)
        for device, at in zip("ab", logins, strict=True):
            say(shop, device, at, user="u", id=f"login {device}")
        for who, state, at in words:
            if who == "hand":
                tell(state, at)
            else:
                say(shop, who, at, state == "granted", id=f"{who} {state} {at}")
        profile_ids = list(Profile.objects.current().values_list("pk", flat=True))
        assert retell(profile_ids) == set()
        rows = Consent.objects.filter(profile__in=profile_ids).values_list("channel", "state", "occurred_at")
        return in_force("a"), sorted(rows)

    with transaction.atomic():
        expected = told(said)
        transaction.set_rollback(True)
    with transaction.atomic():
        assert told(as_they_came) == expected
        transaction.set_rollback(True)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_words_from_before_a_merge_by_hand_count_whenever_they_come(shop, order):
    say(shop, "a", 0)
    say(shop, "b", 0)
    say(shop, "c", 0, False)
    ann, bob = profile_of("anonymous_id", "a"), profile_of("anonymous_id", "b")
    steps = [
        lambda: say(shop, "a", 60, False),
        lambda: say(shop, "b", 300, True),
        lambda: merge_profiles([ann.pk, bob.pk], user=None, now=NOW),
    ]

    for place in order:
        steps[place]()

    assert in_force("a") == {"email": "denied"}
    assert decided() == [("email", "denied", NOW)]


def test_who_was_joined_before_a_merge_by_hand_counts_in_it(shop):
    """The word of the one who was joined late was said before the merge, and so is overruled in it."""
    say(shop, "a", 0, False)
    say(shop, "b", 0)
    say(shop, "c", 1, True)
    ann, bob = profile_of("anonymous_id", "a"), profile_of("anonymous_id", "b")
    merge_profiles([ann.pk, bob.pk], user=None, now=NOW)

    say(shop, "b", 5, user="u")
    say(shop, "c", 6, user="u")

    assert in_force("a") == {"email": "denied"}
    assert decided() == [("email", "denied", NOW)]


def refused_and_agreed(shop):
    """Somebody who said no by a device, then yes by hand; taken apart, so that each side has one word. Returns both."""
    say(shop, "a", 1, False)
    say(shop, "b", 2)
    say(shop, "a", 3, user="u")
    say(shop, "b", 4, user="u")
    device, person = Identifier.objects.get(value="a"), profile_of("user_id", "u")
    agreed = Said(person.pk, "email", Consent.State.GRANTED, NOW)
    other = split_profile(person, [device], user=None, now=NOW)
    record_consents([agreed], user=UserFactory(), now=NOW)
    lift_separations(Separation.objects.all(), user=None, now=NOW)
    return person, other


def tell_of_another_channel(person):
    """Which has the words of all channels told again."""
    later = NOW + timedelta(minutes=9)
    for state in Consent.State:
        record_consents([Said(person.pk, "sms", state, later)], user=UserFactory(), now=later)


def test_a_merge_by_hand_of_those_who_were_taken_apart_is_a_join_of_its_own(shop):
    """Links of before do not make them one since then: the stricter wins, and goes on winning."""
    person, other = refused_and_agreed(shop)
    merge_profiles([person.pk, other.pk], user=None, now=NOW + timedelta(minutes=1))
    assert in_force("a") == {"email": "denied"}

    tell_of_another_channel(profile_of("user_id", "u"))

    assert in_force("a")["email"] == "denied"
    assert ("email", "denied", NOW + timedelta(minutes=1)) in decided()


def test_so_is_a_message_that_brings_them_together_again(shop):
    refused_and_agreed(shop)
    send(shop, identify(anonymous="a", user="u", at=24 * 60 + 5), now=NOW + timedelta(minutes=7))
    assert in_force("a") == {"email": "denied"}

    tell_of_another_channel(profile_of("user_id", "u"))

    assert in_force("a")["email"] == "denied"
    assert ("email", "denied", NOW + timedelta(minutes=5)) in decided()


def test_those_whom_another_brought_together_stay_so_when_that_one_is_taken_away(shop):
    """Since they came together by it: the stricter goes on winning."""
    say(shop, "a", 1, False)
    say(shop, "a", 2, user="u")
    say(shop, "b", 3, True)
    say(shop, "b", 4, user="u")
    assert in_force("a") == {"email": "denied"}

    split_profile(profile_of("user_id", "u"), Identifier.objects.filter(value="u"), user=None, now=NOW)

    assert profile_of("anonymous_id", "a") == profile_of("anonymous_id", "b") != profile_of("user_id", "u")
    assert in_force("a") == {"email": "denied"}
    assert decided() == [("email", "denied", START + timedelta(minutes=4))]
