"""Merging profiles moves their facts, and writes down all that an undo needs."""

from datetime import timedelta

import pytest

from profiles.followers import _followers as registered
from profiles.followers import all_followers
from profiles.followers.identity import IdentifierFollower
from profiles.identity.groups import Link
from profiles.identity.links import Conflict, write_conflicts
from profiles.models import (
    Consent,
    Event,
    Identifier,
    IdentityConflict,
    IdentityLink,
    Profile,
    ProfileChange,
    ProfileMerge,
)
from tests.factories.profiles import SourceFactory
from tests.profiles.ingest.messages import START, event_names, identify, people, profile_of, send, track

pytestmark = pytest.mark.django_db
NOW = START + timedelta(days=1)


@pytest.fixture
def shop():
    return SourceFactory(key="shop")


def test_a_message_that_joins_two_profiles_merges_them_into_the_older(shop):
    send(shop, identify(user="u1", at=0, city="Oslo"), track("Viewed", anonymous="a1", at=1))
    ann, visitor = profile_of("user_id", "u1"), profile_of("anonymous_id", "a1")
    device = Identifier.objects.get(value="a1")

    processed = send(shop, identify(user="u1", anonymous="a1", at=2, id="joins", name="Ann"))

    assert processed.n_merges == 1
    visitor.refresh_from_db()
    ann.refresh_from_db()
    assert visitor.merged_into == ann
    assert visitor.attributes == {}
    assert ann.attributes == {"city": "Oslo", "name": "Ann"}
    assert event_names(ann) == ["$identify", "Viewed", "$identify"]
    assert people() == {frozenset({("user_id", "u1"), ("anonymous_id", "a1")})}
    merge = ProfileMerge.objects.get()
    assert (merge.survivor, merge.absorbed, merge.cause, merge.message_id) == (ann, visitor, "message", "joins")
    assert (merge.source, merge.merged_at, merge.identifiers, merge.repointed) == (shop, NOW, [device.pk], [])
    assert merge.survivor_before["attributes"] == {"city": "Oslo"}
    assert merge.absorbed_before == {
        "attributes": {},
        "first_seen_at": (START + timedelta(minutes=1)).isoformat(),
        "last_seen_at": (START + timedelta(minutes=1)).isoformat(),
    }
    assert "merge" in ProfileChange.objects.filter(profile_id=ann.pk).values_list("topic", flat=True)


@pytest.mark.parametrize("at_once", [True, False])
def test_who_was_seen_first_survives_counting_the_times_of_the_batch(shop, at_once):
    send(shop, track("Viewed", anonymous="a", at=50), track("Viewed", anonymous="b", at=30))
    older = profile_of("anonymous_id", "a")
    said = [
        track("Viewed", anonymous="new", at=10),
        identify(email="ann@example.com", anonymous="new", at=40),
        track("Viewed", anonymous="a", at=60) | {"context": {"traits": {"email": "ann@example.com"}}},
        track("Viewed", anonymous="b", at=61) | {"context": {"traits": {"email": "ann@example.com"}}},
    ]

    if at_once:
        send(shop, *said)
        assert profile_of("anonymous_id", "b") == older
    else:
        for one in said:
            send(shop, one)
    first = Profile.objects.current().get()
    assert first.first_seen_at == START + timedelta(minutes=10)
    assert ProfileMerge.objects.filter(absorbed__identifiers=None, survivor=first).count() == (1 if at_once else 2)


def test_a_batch_of_old_messages_decides_who_is_the_older(shop):
    send(shop, track("Viewed", anonymous="a", at=50), track("Viewed", anonymous="b", at=30))
    older = profile_of("anonymous_id", "a")
    both = {"context": {"externalIds": [{"type": "anonymous_id", "id": "b"}]}}

    send(shop, track("Viewed", anonymous="a", at=10), track("Viewed", anonymous="a", at=60) | both)

    assert profile_of("anonymous_id", "b") == older


def test_a_survivor_takes_over_the_golden_record_and_the_times_of_the_absorbed(shop):
    send(shop, identify(user="u1", at=10, city="Oslo"), identify(at=20, email="ann@example.com", city="Rome"))

    send(shop, track("Viewed", user="u1", at=15, id="x") | {"context": {"traits": {"email": "ann@example.com"}}})

    ann = profile_of("user_id", "u1")
    assert ann.attributes == {"city": "Rome", "email": "ann@example.com"}
    assert (ann.first_seen_at, ann.last_seen_at) == (START + timedelta(minutes=10), START + timedelta(minutes=20))


def test_a_chain_of_merges_points_at_the_last_survivor_directly(shop):
    for at, name in [(30, "a3"), (20, "a2"), (10, "a1")]:
        send(shop, track("Viewed", anonymous=name, at=at))
    third, second, first = (profile_of("anonymous_id", name) for name in ("a3", "a2", "a1"))
    both = {"context": {"externalIds": [{"type": "anonymous_id", "id": "a3"}]}}
    send(shop, track("Viewed", anonymous="a2", at=40) | both)

    send(shop, track("Viewed", anonymous="a1", at=41) | both)

    assert set(Profile.objects.exclude(merged_into=None).values_list("pk", "merged_into")) == {
        (third.pk, first.pk),
        (second.pk, first.pk),
    }
    assert [(m.absorbed, m.survivor, m.repointed) for m in ProfileMerge.objects.order_by("id")] == [
        (third, second, []),
        (second, first, [third.pk]),
    ]


def test_many_profiles_merge_in_one_batch(shop):
    send(shop, *[track("Viewed", anonymous=f"a{n}", at=n) for n in range(6)])
    joins = [identify(user="u1", anonymous=f"a{n}", at=10 + n, id=f"join{n}") for n in range(6)]

    assert send(shop, *joins).n_merges == 5

    survivor = profile_of("anonymous_id", "a0")
    assert Profile.objects.current().get() == survivor
    assert Event.objects.filter(profile=survivor).count() == 12
    assert {(m.absorbed_id, m.message_id) for m in ProfileMerge.objects.all()} == {
        (Profile.objects.get(first_seen_at=START + timedelta(minutes=n)).pk, f"join{n}") for n in range(1, 6)
    }


def test_the_login_of_another_person_on_a_device_leaves_the_device_where_it_was(shop):
    send(shop, identify(user="u1", anonymous="a1", at=0))

    send(shop, track("Viewed", user="u2", anonymous="a1", at=1, id="c1"))
    send(shop, track("Viewed", user="u2", anonymous="a1", at=3, id="c2"), track("V", user="u2", anonymous="a1", at=2))

    assert people() == {frozenset({("user_id", "u1"), ("anonymous_id", "a1")}), frozenset({("user_id", "u2")})}
    assert event_names(profile_of("user_id", "u2")) == ["Viewed", "V", "Viewed"]
    conflict = IdentityConflict.objects.get()
    assert (conflict.anchor.value, conflict.left_out.value, conflict.kind.key) == ("u2", "a1", "user_id")
    assert (conflict.n_messages, conflict.message_id, conflict.reason) == (3, "c2", "limit")
    assert (conflict.first_at, conflict.last_at) == (START + timedelta(minutes=1), START + timedelta(minutes=3))
    assert not ProfileMerge.objects.exists()


def test_conflicts_of_a_batch_are_written_by_one_statement(shop, django_assert_num_queries):
    send(shop, *(identify(user=f"u{n}", anonymous=f"a{n}", at=0) for n in range(4)))
    names = {identifier.value: identifier for identifier in Identifier.objects.select_related("kind")}

    def found(user, device, message_id, *, at, kind):
        anchor, left_out = names[user], names[device]
        link = Link(START + timedelta(minutes=at), message_id, shop.pk, [(anchor.kind_id, user)])
        return Conflict(link, (left_out.kind_id, device), kind)

    ids = {(identifier.kind_id, value): identifier.pk for value, identifier in names.items()}
    by = names["u0"].kind_id
    write_conflicts([found("u1", "a0", "m0", at=3, kind=by), found("u2", "a0", "m1", at=3, kind=None)], ids)
    IdentityConflict.objects.filter(message_id="m0").update(state="settled")
    IdentityConflict.objects.filter(message_id="m1").update(state="dismissed")

    with django_assert_num_queries(1) as asked:
        write_conflicts(
            [
                found("u1", "a0", 'a"b\\', at=2, kind=by),
                found("u1", "a0", 'c"d\\', at=4, kind=by),
                found("u2", "a0", "earlier", at=1, kind=None),
                found("u3", "a1", "客户", at=9, kind=by),
            ],
            ids,
        )

    assert "times: " not in asked.captured_queries[0]["sql"]
    written = IdentityConflict.objects.order_by("anchor").values_list(
        "anchor__value", "left_out__value", "reason", "kind", "message_id", "n_messages", "first_at", "last_at", "state"
    )
    at = [START + timedelta(minutes=n) for n in range(10)]
    assert list(written) == [
        ("u1", "a0", "limit", by, 'c"d\\', 3, at[2], at[4], "open"),
        ("u2", "a0", "separation", None, "m1", 2, at[1], at[3], "dismissed"),
        ("u3", "a1", "limit", by, "客户", 1, at[9], at[9], "open"),
    ]


def test_links_keep_the_first_message_that_said_so(shop):
    send(shop, identify(user="u1", anonymous="a1", at=5, id="later"))
    send(shop, identify(user="u1", anonymous="a1", at=1, id="first"), identify(user="u1", anonymous="a1", at=9))

    link = IdentityLink.objects.get()
    assert (link.message_id, link.occurred_at, link.source) == ("first", START + timedelta(minutes=1), shop)


def test_the_stricter_consent_wins_at_a_merge(shop):
    send(
        shop,
        identify(user="u1", at=0, consents={"email": False, "sms": True}),
        identify(anonymous="a1", at=5, consents={"email": True, "sms": True}),
    )

    send(shop, track("Viewed", user="u1", anonymous="a1", at=6))

    ann = profile_of("user_id", "u1")
    in_force = {consent.channel: consent for consent in Consent.objects.in_force().filter(profile=ann)}
    assert {channel: consent.state for channel, consent in in_force.items()} == {"email": "denied", "sms": "granted"}
    assert (in_force["email"].source, in_force["email"].occurred_at) == (None, START + timedelta(minutes=6))
    assert Consent.objects.filter(profile=ann).count() == 5


def test_the_stricter_consent_wins_within_a_batch_as_well(shop):
    send(
        shop,
        identify(anonymous="x", at=0, consents={"email": False}),
        identify(user="u", at=1, consents={"email": True}),
        identify(user="u", anonymous="x", at=2),
    )

    assert Consent.objects.in_force().get(profile=profile_of("user_id", "u")).state == "denied"


def test_a_yes_after_the_join_counts_again(shop):
    send(
        shop,
        identify(anonymous="x", at=0, consents={"email": False}),
        identify(user="u", at=1, consents={"email": True}),
    )

    send(shop, identify(user="u", anonymous="x", at=2), identify(user="u", at=3, consents={"email": True}))

    assert Consent.objects.in_force().get(profile=profile_of("user_id", "u")).state == "granted"


def test_a_join_that_comes_late_overrules_only_what_was_said_before_it(shop):
    send(
        shop,
        identify(anonymous="x", at=0, consents={"email": False, "sms": False}),
        identify(user="u", at=1, consents={"sms": True}),
        identify(user="u", at=5, consents={"email": True}),
    )

    send(shop, identify(user="u", anonymous="x", at=3))

    in_force = Consent.objects.in_force().filter(profile=profile_of("user_id", "u"))
    assert {consent.channel: consent.state for consent in in_force} == {"email": "granted", "sms": "denied"}


def test_followers_that_write_feeds_run_last(shop, monkeypatch):
    ran = []

    class Recorder(IdentifierFollower):
        def __init__(self, name, *, writes_feed):
            self.name, self.writes_feed = name, writes_feed

        def merge(self, merged, *, now):
            ran.append((self.name, ProfileChange.objects.filter(topic="merge").exists()))

    send(shop, track("Viewed", user="u1"), track("Viewed", anonymous="a1"))
    monkeypatch.setitem(registered, IdentityLink, Recorder("feed", writes_feed=True))
    monkeypatch.setitem(registered, IdentityConflict, Recorder("facts", writes_feed=False))

    send(shop, track("Viewed", user="u1", anonymous="a1"))

    assert ran == [("facts", False), ("feed", True)]
    assert [follower.writes_feed for follower in all_followers()][-1]
