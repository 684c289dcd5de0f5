"""Taking people apart: what goes, what stays, what comes back, and that they stay apart."""

from datetime import timedelta

import pytest

from profiles.identity import errors
from profiles.identity.errors import IdentityError, KeptApartError
from profiles.models import (
    Consent,
    Event,
    Identifier,
    IdentityConflict,
    Profile,
    ProfileChange,
    ProfileMerge,
    ProfileSplit,
    Separation,
)
from profiles.services.identity import (
    lift_separation,
    lift_separations,
    merge_profiles,
    preview_split,
    preview_undo,
    split_profile,
    undo_merge,
)
from tests.factories.cdp import UserFactory
from tests.factories.profiles import ConsentFactory, SourceFactory
from tests.factories.tags import TagAssignmentFactory, TagFactory
from tests.profiles.ingest.messages import START, event_names, identify, people, profile_of, send, track

pytestmark = pytest.mark.django_db
NOW = START + timedelta(days=1)


@pytest.fixture
def shop():
    return SourceFactory(key="shop")


def both(name):
    """Beside its own identifiers, a message names the anonymous id `name`."""
    return {"context": {"externalIds": [{"type": "anonymous_id", "id": name}]}}


def known(*names):
    return list(Identifier.objects.filter(value__in=names))


def owners():
    """The sets of identifier values that are one person."""
    return {frozenset(value for _kind, value in person) for person in people()}


def merge(*profiles):
    return merge_profiles([profile.pk for profile in profiles], user=None, now=NOW)


def split(profile, *names, **kwargs):
    return split_profile(profile, known(*names), **{"user": None, "now": NOW, **kwargs})


def undo(absorbed, **kwargs):
    merge = ProfileMerge.objects.get(absorbed=absorbed, undone_at=None)
    return undo_merge(merge, **{"user": None, "now": NOW, **kwargs})


def visitors(shop, *names, start=0):
    """People with one anonymous id each, the first seen first, `start` minutes after START."""
    for at, name in enumerate(names, start=start):
        send(shop, identify(anonymous=name, at=at, id=f"first {name}", city=f"City {name}"))
    return [profile_of("anonymous_id", name) for name in names]


def as_they_are():
    """All that is known of each person, but for the refresh."""
    return {
        profile.public_id: (
            profile.attributes,
            profile.first_seen_at,
            profile.last_seen_at,
            set(profile.identifiers.values_list("value", flat=True)),
            set(Event.objects.filter(profile=profile).values_list("pk", flat=True)),
            {consent.channel: consent.state for consent in Consent.objects.in_force().filter(profile=profile)},
            set(profile.tag_assignments.values_list("tag", "value", "assigned_at", "origin")),
        )
        for profile in Profile.objects.current()
    }


def test_undoing_a_merge_brings_both_back(shop):
    ann, bob = visitors(shop, "a", "b")
    before = as_they_are()
    ProfileChange.objects.all().delete()
    merge(ann, bob)
    operator = UserFactory()

    assert undo(bob, user=operator) == bob

    assert as_they_are() == before
    merged = ProfileMerge.objects.get()
    assert (merged.undone_at, merged.undone_by) == (NOW, operator)
    parted = ProfileSplit.objects.get()
    assert (parted.from_profile, parted.to_profile, parted.merge, parted.split_by) == (ann, bob, merged, operator)
    assert [pair.value for pair in known("b")] == ["b"]
    assert parted.identifiers == [known("b")[0].pk]
    assert set(ProfileChange.objects.filter(topic="split").values_list("profile_id", flat=True)) == {ann.pk, bob.pk}
    assert set(Identifier.objects.values_list("value", "origin")) == {("a", None), ("b", None)}


def test_what_is_still_to_come_is_due_for_whom_it_went_to(shop):
    ann, bob = visitors(shop, "a", "b")
    merge(ann, bob)
    tomorrow = NOW + timedelta(hours=5)
    send(shop, track("Appointment", anonymous="b", at=(tomorrow - START) / timedelta(minutes=1)))
    ProfileChange.objects.all().delete()

    undo(bob)

    due = ProfileChange.objects.filter(due_at__gt=NOW).values_list("profile_id", "topic", "due_at")
    assert set(due) == {
        (bob.pk, "event:Appointment", tomorrow),
        (bob.pk, "attribute:last_seen_at", tomorrow),
    }


def test_a_merge_is_not_undone_twice(shop):
    ann, bob = visitors(shop, "a", "b")
    merge(ann, bob)
    merged = ProfileMerge.objects.get()
    undo(bob)

    with pytest.raises(IdentityError, match="undone already"):
        undo_merge(merged, user=None, now=NOW)
    assert ProfileSplit.objects.count() == 1


def test_what_came_later_goes_with_whom_its_first_link_ties_it_to(shop):
    ann, bob = visitors(shop, "a", "b")
    merge(ann, bob)
    send(shop, identify(anonymous="b", at=20, email="bob@example.com", name="Bob"))
    send(shop, track("Viewed", user="u1", at=21) | both("a"))
    send(shop, track("Viewed", anonymous="later", at=22) | {"context": {"traits": {"email": "bob@example.com"}}})

    undo(bob)

    assert owners() == {frozenset({"a", "u1"}), frozenset({"b", "bob@example.com", "later"})}
    bob.refresh_from_db()
    ann.refresh_from_db()
    assert bob.attributes == {"city": "City b", "email": "bob@example.com", "name": "Bob"}
    assert (ann.attributes, bob.last_seen_at) == ({"city": "City a"}, START + timedelta(minutes=22))
    assert event_names(bob) == ["$identify", "$identify", "Viewed"]
    assert event_names(ann) == ["$identify", "Viewed"]


def test_a_profile_that_a_message_tied_to_the_absorbed_goes_along_whole(shop):
    ann, bob = visitors(shop, "a", "b")
    merge(ann, bob)
    (carl,) = visitors(shop, "c", start=10)
    row = TagAssignmentFactory(profile=carl)
    send(shop, track("Viewed", anonymous="c", at=30) | both("b"))
    assert profile_of("anonymous_id", "c") == ann

    undo(bob)

    assert owners() == {frozenset("a"), frozenset("bc")}
    carl.refresh_from_db()
    row.refresh_from_db()
    assert (carl.merged_into, row.profile) == (bob, bob)

    assert undo(carl) == carl
    row.refresh_from_db()
    assert (owners(), row.profile) == ({frozenset("a"), frozenset("b"), frozenset("c")}, carl)


def test_who_was_merged_by_hand_stays_whatever_comes_later(shop):
    ann, bob = visitors(shop, "a", "b")
    merge(ann, bob)
    (carl,) = visitors(shop, "c", start=10)
    merge(ann, carl)

    undo(bob)

    assert owners() == {frozenset("ac"), frozenset("b")}


@pytest.mark.parametrize("order", ["bc", "cb"])
def test_a_chain_is_undone_in_either_order(shop, order):
    first, second, third = visitors(shop, "a", "b", "c")
    before = as_they_are()
    merge(second, third)
    merge(first, second)

    for name in order:
        undo({"b": second, "c": third}[name])

    assert as_they_are() == before
    assert not Profile.objects.filter(merged_into__isnull=False).exists()


def test_who_hangs_below_the_absorbed_points_at_it_again(shop):
    first, second, third = visitors(shop, "a", "b", "c")
    merge(second, third)
    merge(first, second)

    undo(second)

    third.refresh_from_db()
    assert third.merged_into == second
    assert owners() == {frozenset("a"), frozenset("bc")}


def test_a_join_by_message_within_one_batch_hangs_as_the_links_said(shop):
    first, second, third = visitors(shop, "a", "b", "c")
    send(shop, track("V", anonymous="b", at=10) | both("c"), track("V", anonymous="a", at=11) | both("b"))
    assert profile_of("anonymous_id", "c") == first

    undo(second)

    third.refresh_from_db()
    assert (owners(), third.merged_into) == ({frozenset("a"), frozenset("bc")}, second)


def test_an_identifier_of_the_merging_batch_goes_with_its_first_link(shop):
    _first, second = visitors(shop, "a", "b")
    send(shop, track("V", user="u1", at=10) | both("b"), track("V", user="u1", at=11) | both("a"))

    undo(second)

    assert owners() == {frozenset("a"), frozenset({"b", "u1"})}


def test_a_separation_holds_directly_and_through_others(shop):
    _ann, bob = visitors(shop, "a", "b")
    send(shop, track("Joined", anonymous="a", at=9) | both("b"))
    undo(bob)

    send(shop, track("Viewed", anonymous="a", at=10) | both("b"))
    send(shop, track("Viewed", anonymous="b", at=11) | both("c"))
    send(shop, track("Viewed", anonymous="c", at=12) | both("a"))

    assert owners() == {frozenset("a"), frozenset("bc")}
    conflicts = IdentityConflict.objects.values_list("anchor__value", "left_out__value", "reason", "kind", "state")
    assert set(conflicts) == {("a", "b", "separation", None, "open"), ("a", "c", "separation", None, "open")}
    with pytest.raises(KeptApartError) as refused:
        merge(profile_of("anonymous_id", "a"), bob)
    assert str(refused.value) == (
        "Anonymous id a and Anonymous id b were separated on 2026-03-02; lift the separation first."
    )


def test_where_many_were_separated_they_are_counted_and_the_first_named(shop):
    send(shop, *(track("Viewed", anonymous=f"a{n}", at=n) | both("b") for n in range(3)))
    new = split(profile_of("anonymous_id", "b"), "b", "a2")

    with pytest.raises(KeptApartError) as refused:
        merge(profile_of("anonymous_id", "a0"), new)

    assert str(refused.value) == (
        "4 pairs of their identifiers were separated: Anonymous id a0 ≠ Anonymous id a2, "
        "Anonymous id a1 ≠ Anonymous id a2, Anonymous id a0 ≠ Anonymous id b …; lift the separations first."
    )


def test_of_very_many_no_more_are_counted_than_anybody_reads(shop, monkeypatch):
    monkeypatch.setattr(errors, "MAX_COUNTED", 3)
    monkeypatch.setattr("profiles.services.identity.merge.MAX_COUNTED", 3)
    send(shop, *(track("Viewed", anonymous=f"a{n}", at=n) | both("b") for n in range(3)))
    new = split(profile_of("anonymous_id", "b"), "b", "a2")

    with pytest.raises(
        KeptApartError, match=r"^More than 3 pairs of their identifiers were separated: .* ≠ .* …; lift"
    ):
        merge(profile_of("anonymous_id", "a0"), new)


def test_lifted_they_may_come_together_again(shop):
    ann, bob = visitors(shop, "a", "b")
    merge(ann, bob)
    undo(bob)
    operator = UserFactory()

    assert lift_separation(Separation.objects.get(), user=operator, now=NOW) == 1
    send(shop, track("Viewed", anonymous="a", at=10) | both("b"))

    assert owners() == {frozenset("ab")}
    assert Separation.objects.filter(lifted_at=NOW, lifted_by=operator).count() == 1
    assert lift_separation(Separation.objects.get(), user=operator, now=NOW) == 0
    undo(bob)
    assert owners() == {frozenset("a"), frozenset("b")}
    assert Separation.objects.in_force().count() == 1


def test_split_moves_the_named_and_what_hangs_on_them(shop):
    send(shop, identify(user="u1", anonymous="a1", at=0, name="Ann"), identify(anonymous="a1", at=5, city="Oslo"))
    ann = profile_of("user_id", "u1")
    send(shop, identify(anonymous="a1", at=6, consents={"email": False}))

    new = split(ann, "a1")

    assert owners() == {frozenset({"u1"}), frozenset({"a1"})}
    ann.refresh_from_db()
    assert (new.attributes, ann.attributes) == ({"city": "Oslo"}, {"name": "Ann"})
    assert (ann.first_seen_at, ann.last_seen_at) == (START, START)
    assert (new.first_seen_at, new.last_seen_at) == (START, START + timedelta(minutes=6))
    assert (event_names(ann), event_names(new)) == (["$identify"], ["$identify", "$identify"])
    assert Consent.objects.get().profile == new
    assert lift_separations(Separation.objects.filter(split=ProfileSplit.objects.get()), user=None, now=NOW) == 1


def test_split_takes_profiles_along_of_which_nothing_stays(shop):
    ann, bob, carl = visitors(shop, "a", "b", "c")
    row = TagAssignmentFactory(profile=bob)
    merge(ann, bob, carl)

    send(shop, track("V", anonymous="a", at=10) | both("x"))

    new = split(ann, "b", "x")

    bob.refresh_from_db()
    row.refresh_from_db()
    assert (bob.merged_into, row.profile, row.origin) == (new, new, bob)
    assert undo(bob) == bob
    row.refresh_from_db()
    assert (row.profile, owners()) == (bob, {frozenset("ac"), frozenset("b"), frozenset("x")})


def test_who_is_split_off_just_as_merged_lives_again(shop):
    ann, bob, carl, dora = visitors(shop, "a", "b", "c", "d")
    before = as_they_are()
    merge(ann, bob, carl, dora)

    assert split(ann, "b", "c") == bob

    carl.refresh_from_db()
    assert (carl.merged_into, owners()) == (bob, {frozenset("ad"), frozenset("bc")})
    assert undo(carl) == carl
    assert undo(dora) == dora
    assert as_they_are() == before
    assert not ProfileMerge.objects.filter(undone_at=None).exists()


def test_who_is_split_off_without_those_that_hang_below_leaves_them_where_they_are(shop):
    first, second, third = visitors(shop, "a", "b", "c")
    row = TagAssignmentFactory(profile=second)
    before = as_they_are()
    merge(second, third)
    merge(first, second)

    assert split(first, "b") == second

    row.refresh_from_db()
    third.refresh_from_db()
    assert (row.profile, third.merged_into) == (second, first)
    assert undo(third) == third
    assert as_they_are() == before


def test_what_was_written_by_hand_since_stays_unless_it_is_named(shop):
    ann, bob = visitors(shop, "a", "b")
    ann = merge(ann, bob)
    stays, goes = TagAssignmentFactory(profile=ann), TagAssignmentFactory(profile=ann)
    word = ConsentFactory(profile=ann, source=None, occurred_at=NOW)
    found = preview_split(ann, known("b"))
    assert ([i.value for i in found.going], [i.value for i in found.staying]) == (["b"], ["a"])
    assert {(row.ref, row.label, row.goes) for row in found.hand_made} == {
        (f"tags.tagassignment:{stays.pk}", stays.tag.name, False),
        (f"tags.tagassignment:{goes.pk}", goes.tag.name, False),
        (f"profiles.consent:{word.pk}", "email: Granted", False),
    }

    undo(bob, along=[f"tags.tagassignment:{goes.pk}", f"profiles.consent:{word.pk}"])

    for row in (stays, goes, word):
        row.refresh_from_db()
    assert (stays.profile, goes.profile, word.profile) == (ann, bob, bob)


def test_a_displaced_tag_comes_back(shop):
    ann, bob = visitors(shop, "a", "b")
    tag = TagFactory()
    TagAssignmentFactory(tag=tag, profile=ann, assigned_at=START)
    TagAssignmentFactory(tag=tag, profile=bob, assigned_at=NOW)
    before = as_they_are()
    merge(ann, bob)

    undo(bob)

    assert as_they_are() == before


def test_the_stricter_word_is_taken_back(shop):
    send(shop, identify(anonymous="a", at=0, consents={"email": False}))
    send(shop, identify(anonymous="b", at=5, consents={"email": True}))
    ann, bob = profile_of("anonymous_id", "a"), profile_of("anonymous_id", "b")
    before = as_they_are()
    send(shop, track("Joined", anonymous="a", at=9) | both("b"))
    assert Consent.objects.in_force().get(profile=ann).state == "denied"

    undo(bob)

    after = as_they_are()
    assert [after[pk][5] for pk in (ann.public_id, bob.public_id)] == [{"email": "denied"}, {"email": "granted"}]
    assert after[bob.public_id] == before[bob.public_id]


def test_the_stricter_word_goes_with_the_merge_that_added_it(shop):
    send(shop, identify(anonymous="c", at=0))
    send(shop, identify(anonymous="a", at=10, consents={"email": False}))
    send(shop, identify(anonymous="b", at=20, consents={"email": True}))
    cleo, ann, bob = (profile_of("anonymous_id", name) for name in ("c", "a", "b"))
    merge(ann, bob)
    merge(cleo, ann)

    undo(ann)

    assert Consent.objects.in_force().get().profile == ann
    assert Consent.objects.in_force().get().state == "denied"

    undo(bob)

    assert Consent.objects.count() == 2
    assert Consent.objects.in_force().get(profile=bob).state == "granted"


def test_a_word_said_after_the_merge_goes_with_its_identifier(shop):
    ann, bob = visitors(shop, "a", "b")
    merge(ann, bob)
    send(shop, identify(anonymous="b", at=30, consents={"email": False}))

    undo(bob)

    assert Consent.objects.get().profile == bob


@pytest.mark.parametrize("names", [(), ("a", "b")])
def test_neither_side_may_be_nobody(shop, names):
    ann, bob = visitors(shop, "a", "b")
    merge(ann, bob)

    with pytest.raises(IdentityError):
        split(ann, *names)
    assert (owners(), ProfileSplit.objects.count()) == ({frozenset("ab")}, 0)


def test_identifiers_of_others_are_not_split_off(shop):
    ann, _bob = visitors(shop, "a", "b")

    with pytest.raises(IdentityError, match="not of this person"):
        split(ann, "b")


def test_a_merge_of_which_nothing_is_left_cannot_be_undone(shop):
    ann, bob = visitors(shop, "a", "b")
    merge(ann, bob)
    Identifier.objects.filter(value="b").delete()

    with pytest.raises(IdentityError, match="nothing is left"):
        preview_undo(ProfileMerge.objects.get())
    with pytest.raises(IdentityError, match="nothing is left"):
        undo(bob)


def test_the_id_of_a_merged_profile_is_taken_apart_as_its_survivor(shop):
    ann, bob = visitors(shop, "a", "b")
    merge(ann, bob)

    split(bob, "b")

    assert owners() == {frozenset("a"), frozenset("b")}


def test_preview_of_an_undo(shop):
    ann, bob = visitors(shop, "a", "b")
    row = TagAssignmentFactory(profile=bob)
    merge(ann, bob)

    found = preview_undo(ProfileMerge.objects.get())

    assert [(made.ref, made.goes) for made in found.hand_made] == [(f"tags.tagassignment:{row.pk}", True)]
    assert [i.value for i in found.going] == ["b"]
