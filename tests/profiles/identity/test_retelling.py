"""What joins decide on consents, when messages tell late of what was before."""

from datetime import timedelta

import pytest

from profiles.models import Consent, ProfileChange, ProfileMerge
from profiles.services.identity import merge_profiles, undo_merge
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
