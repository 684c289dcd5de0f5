"""Merging people by hand."""

from datetime import timedelta

import pytest

from profiles.identity.errors import IdentityError, KeptApartError
from profiles.models import Consent, Event, Identifier, Profile, ProfileChange, ProfileMerge
from profiles.services.identity import merge_profiles
from tests.factories.cdp import UserFactory
from tests.factories.profiles import IdentifierFactory, ProfileFactory, SourceFactory
from tests.factories.segments import MembershipFactory, lives_in
from tests.factories.tags import TagAssignmentFactory
from tests.profiles.ingest.messages import START, event_names, identify, people, profile_of, send, track
from tests.profiles.refresh.shorthand import drain

pytestmark = pytest.mark.django_db
NOW = START + timedelta(days=1)


@pytest.fixture
def shop():
    return SourceFactory(key="shop")


def merge(*profiles, **kwargs):
    return merge_profiles([profile.pk for profile in profiles], **{"user": None, "now": NOW, **kwargs})


def test_the_first_seen_survives_with_everything(shop):
    send(
        shop,
        identify(user="u1", at=5, city="Rome"),
        identify(email="ann@example.com", at=0, city="Oslo", name="Ann"),
        track("Viewed", anonymous="a1", at=9),
    )
    user, mail, visitor = (
        profile_of(*key) for key in (("user_id", "u1"), ("email", "ann@example.com"), ("anonymous_id", "a1"))
    )
    member = MembershipFactory(profile=user, segment__rule=lives_in("Rome"))
    tag = TagAssignmentFactory(profile=visitor)
    ProfileChange.objects.all().delete()
    operator = UserFactory()

    survivor = merge(user, mail, visitor, user=operator)

    assert survivor == mail
    assert survivor.attributes == {"city": "Rome", "name": "Ann", "email": "ann@example.com"}
    assert (survivor.first_seen_at, survivor.last_seen_at) == (START, START + timedelta(minutes=9))
    assert people() == {frozenset({("user_id", "u1"), ("email", "ann@example.com"), ("anonymous_id", "a1")})}
    assert event_names(survivor) == ["$identify", "$identify", "Viewed"]
    assert set(Profile.objects.values_list("pk", "merged_into")) == {
        (mail.pk, None), (user.pk, mail.pk), (visitor.pk, mail.pk)
    }  # fmt: skip
    tag.refresh_from_db()
    assert (tag.profile, tag.origin) == (mail, visitor)
    assert list(ProfileChange.objects.values_list("profile_id", "topic")) == [(mail.pk, "merge")]
    merges = ProfileMerge.objects.filter(survivor=mail, merged_by=operator, cause="manual", source=None, merged_at=NOW)
    assert set(merges.values_list("absorbed", "parent")) == {(user.pk, mail.pk), (visitor.pk, mail.pk)}

    drain(now=NOW)

    entry = member.segment.memberships.get()
    assert (entry.profile, entry.entered_at) == (mail, member.entered_at)


def test_identifiers_keep_where_they_were_written(shop):
    send(shop, track("Viewed", user="u1", at=0), track("Viewed", anonymous="a1", at=1))
    send(shop, track("Viewed", anonymous="a0", at=-5))
    user, visitor, first = (
        profile_of("user_id", "u1"),
        profile_of("anonymous_id", "a1"),
        profile_of("anonymous_id", "a0"),
    )

    merge(user, visitor)
    merge(user, first)

    assert set(Identifier.objects.values_list("value", "profile", "origin")) == {
        ("a0", first.pk, None), ("u1", first.pk, user.pk), ("a1", first.pk, visitor.pk)
    }  # fmt: skip


def test_the_id_of_a_merged_profile_means_its_survivor(shop):
    send(shop, *(track("Viewed", anonymous=f"a{n}", at=n) for n in range(3)))
    first, second, third = (profile_of("anonymous_id", f"a{n}") for n in range(3))
    merge(first, second)

    assert merge(second, third) == first

    assert Event.objects.filter(profile=first).count() == 3


def test_the_stricter_consent_wins(shop):
    send(
        shop,
        identify(user="u1", at=0, consents={"email": False, "sms": True}),
        identify(anonymous="a1", at=5, consents={"email": True, "sms": True}),
    )

    ann = merge(profile_of("user_id", "u1"), profile_of("anonymous_id", "a1"))

    in_force = {consent.channel: consent for consent in Consent.objects.in_force().filter(profile=ann)}
    assert {channel: consent.state for channel, consent in in_force.items()} == {"email": "denied", "sms": "granted"}
    assert (in_force["email"].source, in_force["email"].occurred_at) == (None, NOW)


def test_a_limit_forbids_it_and_names_whose(shop):
    send(shop, identify(user="u1", phone="13800138000"), identify(user="u2"))
    merged = ProfileMerge.objects.count()

    with pytest.raises(KeptApartError) as refused:
        merge(profile_of("user_id", "u1"), profile_of("user_id", "u2"))

    assert (
        refused.value.message_for(UserFactory(role="operator"))
        == "One person may have 1 User id, and these would have 2: u1, u2."
    )
    assert str(refused.value) == "One person may have 1 User id, and these would have 2: •••, •••."
    assert (ProfileMerge.objects.count(), len(people())) == (merged, 2)


def test_a_limit_that_one_exceeds_alone_does_not_bind_who_has_none():
    ann, bob = ProfileFactory(), ProfileFactory()
    IdentifierFactory(profile=ann)
    IdentifierFactory(profile=ann)
    IdentifierFactory(profile=bob, kind_key="anonymous_id", value="a1")

    assert merge(ann, bob).identifiers.count() == 3


@pytest.mark.parametrize("n_named", [0, 1])
def test_two_must_be_named(n_named):
    with pytest.raises(IdentityError, match="Name at least two"):
        merge(*[ProfileFactory() for _ in range(n_named)])


def test_who_is_one_already_is_not_merged():
    ann = ProfileFactory()
    with pytest.raises(IdentityError, match="one person already"):
        merge(ann, ProfileFactory(merged_into=ann))


def test_who_was_erased_is_not_merged():
    ann, gone = ProfileFactory(), ProfileFactory(erased_at=NOW)

    with pytest.raises(IdentityError, match="was erased"):
        merge(ann, gone)

    ann.refresh_from_db()
    assert ann.merged_into is None
    assert not ProfileMerge.objects.exists()


def test_nobody_is_not_merged():
    with pytest.raises(IdentityError, match="does not exist"):
        merge_profiles([ProfileFactory().pk, 0], user=None, now=NOW)
