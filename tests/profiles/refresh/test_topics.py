"""What collecting, imports and people by hand tell of somebody reaches the rules that ask for it."""

from datetime import timedelta

import pytest

from profiles.models import Consent, ProfileMerge
from profiles.services.consents import Said, record_consents
from profiles.services.identity.merge import merge_profiles
from profiles.services.identity.split import undo_merge
from tests.factories.cdp import UserFactory
from tests.factories.profiles import SourceFactory
from tests.factories.segments import SegmentFactory, TierSchemeFactory, lives_in
from tests.profiles.ingest.messages import START, identify, profile_of, send, track
from tests.profiles.refresh.shorthand import drain, members

pytestmark = pytest.mark.django_db

NOW = START + timedelta(days=1)
IS_KNOWN = {"op": "attribute", "key": "is_known", "is": "eq", "value": True}
HAS_MAIL = {"op": "identifier", "kind": "email"}


def consents(state):
    return {"op": "consent", "channel": "email", "is": state}


@pytest.fixture
def ann():
    """Somebody of whom a device is known, judged as that."""
    send(source := SourceFactory(), track("View", anonymous="a1"))
    drain(now=NOW)
    person = profile_of("anonymous_id", "a1")
    person.told_by = lambda *messages: (send(source, *messages), drain(now=NOW))
    return person


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (consents("granted"), identify(anonymous="a1", consents={"email": "granted"})),
        (consents("denied"), identify(anonymous="a1", consents={"email": "denied"})),
        (HAS_MAIL, identify(anonymous="a1", email="ann@example.com")),
        (IS_KNOWN, identify(anonymous="a1", email="ann@example.com")),
        (lives_in("Oslo"), identify(anonymous="a1", city="Oslo")),
        ({"op": "event", "name": "Buy"}, track("Buy", anonymous="a1")),
    ],
)
def test_a_message_lets_somebody_enter(rule, message, ann):
    segment = SegmentFactory(rule=rule)

    ann.told_by(message)

    assert members(segment) == {ann.pk}


def test_a_message_lets_somebody_leave(ann):
    segment = SegmentFactory(rule=consents("unknown"))
    ann.told_by(track("View", anonymous="a1"))

    ann.told_by(identify(anonymous="a1", consents={"email": "granted"}))

    assert members(segment) == set()


def test_a_word_by_hand_lets_somebody_enter_and_leave(ann):
    granted, denied = SegmentFactory(rule=consents("granted")), SegmentFactory(rule=consents("denied"))

    def say(state, at):
        record_consents([Said(ann.pk, "email", state, at)], user=UserFactory(), now=NOW)
        drain(now=NOW)

    say(Consent.State.GRANTED, START)
    assert (members(granted), members(denied)) == ({ann.pk}, set())
    say(Consent.State.DENIED, START)
    assert (members(granted), members(denied)) == (set(), {ann.pk})


def test_a_move_between_tiers_is_followed_in_the_same_batch(ann):
    TierSchemeFactory(key="club", tiers={"gold": lives_in("Oslo"), "basic": None})
    gold = SegmentFactory(rule={"op": "tier", "scheme": "club", "in": ["gold"]})
    basic = SegmentFactory(rule={"op": "tier", "scheme": "club", "in": ["basic"]})

    ann.told_by(identify(anonymous="a1", city="Oslo"))
    assert (members(gold), members(basic)) == ({ann.pk}, set())
    ann.told_by(identify(anonymous="a1", city="Rome", at=1))
    assert (members(gold), members(basic)) == (set(), {ann.pk})


def test_a_merge_and_its_undo_are_followed(ann):
    has_mail, granted = SegmentFactory(rule=HAS_MAIL), SegmentFactory(rule=consents("granted"))
    ann.told_by(identify(email="ann@example.com", anonymous="a2", consents={"email": "granted"}))
    other = profile_of("anonymous_id", "a2")

    merge_profiles([ann.pk, other.pk], user=None, now=NOW, into=ann.pk)
    drain(now=NOW)
    assert members(has_mail) == members(granted) == {ann.pk}

    undo_merge(ProfileMerge.objects.get(), user=None, now=NOW)
    drain(now=NOW)
    assert members(has_mail) == members(granted) == {other.pk}
