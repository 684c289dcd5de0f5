"""A person's page."""

from datetime import timedelta

import pytest

from cdp.roles import OPERATOR, VIEWER
from profiles.admin.page import facts_of
from profiles.admin.timeline import PAGE_SIZE
from profiles.models import IdentityConflict, Survivorship
from tests.factories.cdp import UserFactory
from tests.factories.profiles import (
    SEEN_AT,
    AttributeDefinitionFactory,
    ContributionFactory,
    EventFactory,
    IdentifierFactory,
    ProfileFactory,
    SourceFactory,
)
from tests.factories.segments import MembershipFactory, SegmentFactory
from tests.factories.tags import TagAssignmentFactory, TagFactory, TagValueFactory
from tests.profiles.ingest.messages import identify, profile_of, send
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db


def page_of(profile, client=None):
    return (client or sign_in(OPERATOR)).get(f"/admin/profiles/profile/{profile.pk}/change/")


@pytest.mark.parametrize(
    ("at", "shown"),
    [("9999-12-31T23:59:59Z", "9999-12-31 23:59"), ("0001-01-01T00:00:00Z", "0001-01-01 08:05")],
    ids=["last", "first"],
)
def test_a_time_at_either_end_of_the_calendar_breaks_no_page(at, shown):
    """The page of the person, of merging them, and of why they are in a segment."""
    send(SourceFactory(), identify(user="u1", ends=at), identify(user="u2", name="Ann"))
    person, other = profile_of("user_id", "u1"), profile_of("user_id", "u2")
    segment = SegmentFactory(rule={"op": "attribute", "key": "ends", "is": "after", "value": "1999-01-01"})
    MembershipFactory(segment=segment, profile=person)
    client = sign_in(OPERATOR)
    explained = f"/admin/profiles/profile/{person.pk}/explain/?segment={segment.key}"
    merging = f"/admin/profiles/profile/merge/?id={person.pk}&id={other.pk}"

    for page in (page_of(person, client), client.get(merging), client.get(explained)):
        assert shown in page.content.decode()


def test_a_merged_away_profile_leads_to_its_survivor_and_says_so():
    survivor = ProfileFactory()
    absorbed = ProfileFactory(merged_into=survivor)
    client = sign_in(OPERATOR)

    answer = client.get(f"/admin/profiles/profile/{absorbed.pk}/change/", follow=True)

    assert answer.redirect_chain == [(f"/admin/profiles/profile/{survivor.pk}/change/", 302)]
    assert f"Profile {absorbed.public_id} was merged into this one." in answer.content.decode()


@pytest.mark.parametrize("object_id", ["0", "x", "99999999"])
def test_nobody_has_no_page(object_id):
    assert sign_in(OPERATOR).get(f"/admin/profiles/profile/{object_id}/change/").status_code == 404


@pytest.mark.parametrize(
    ("survivorship", "chosen"), [(Survivorship.MOST_RECENT, "later"), (Survivorship.SOURCE_RANK, "ranked")]
)
def test_each_attribute_names_its_sources_the_chosen_first(survivorship, chosen):
    definition = AttributeDefinitionFactory(key="shoe size", survivorship=survivorship)
    anchor = IdentifierFactory(profile__attributes={"shoe size": chosen})
    ContributionFactory(anchor=anchor, definition=definition, value="later", occurred_at=SEEN_AT + timedelta(days=1))
    ContributionFactory(anchor=anchor, definition=definition, value="ranked", source=SourceFactory(rank=900))
    ContributionFactory(
        anchor=anchor, definition=definition, value="odd", fits=False, occurred_at=SEEN_AT + timedelta(days=9)
    )

    (fact,) = facts_of(anchor.profile, UserFactory(role=OPERATOR))

    assert fact.value == chosen
    assert (fact.sayings[0].value, fact.sayings[0].chosen) == (chosen, True)
    assert [said.value for said in fact.sayings if not said.fits] == ["odd"]
    assert [said.chosen for said in fact.sayings].count(True) == 1


@pytest.mark.parametrize(
    ("survivorship", "type_", "written", "shown"),
    [
        ("first", "text", [["a", "b"], ["c"]], [("a", True), ("c", False)]),
        ("max", "number", [[3, 1], [9, 2], ["?"]], [(9, True), (3, False), ("?", False)]),
        ("union", "list", [[["a"], ["b"]], [["b"]]], [(["a", "b"], True), (["b"], True)]),
    ],
)
def test_what_each_source_brings_into_the_choice_is_shown(survivorship, type_, written, shown):
    AttributeDefinitionFactory(key="thing", type=type_, survivorship=survivorship)
    for start, values in enumerate(written):
        send(SourceFactory(), *(identify(user="u1", at=10 * start + n, thing=each) for n, each in enumerate(values)))

    facts = facts_of(profile_of("user_id", "u1"), UserFactory(role=OPERATOR))

    (fact,) = [fact for fact in facts if fact.definition.key == "thing"]
    assert sorted([(said.value, said.chosen) for said in fact.sayings], key=repr) == sorted(shown, key=repr)
    assert fact.sayings[0].chosen


def test_the_timeline_says_consents_and_times_as_the_page_beside_it_does():
    """They were told in JSON behind a word, and a day as the evening before it in UTC."""
    traits = {"joined": "2026-11-02T16:00:00.000000Z", "consents": {"sms": "denied", "fax": {"x": 1}}}
    event = EventFactory(definition__name="$identify", properties=traits)

    shown = sign_in(OPERATOR, language="zh-hans").get(f"/admin/profiles/profile/{event.profile_id}/timeline/")

    summary = shown.context["moments"][0].summary
    assert summary == [("fax", '{"x": 1}'), ("短信", "拒绝"), ("joined", "2026-11-03 00:00")]


def test_the_timeline_is_paged_newest_first_without_gap_or_repeat():
    profile = ProfileFactory()
    definition = EventFactory(profile=profile, definition__name="Opened 0").definition
    anchor, source = IdentifierFactory(profile=profile), SourceFactory()
    for number in range(1, 2 * PAGE_SIZE + 3):  # every two events share a moment
        EventFactory(
            profile=profile, definition=definition, anchor=anchor, source=source, properties={"n": number},
            occurred_at=SEEN_AT + timedelta(minutes=number // 2 + 1),
        )  # fmt: skip
    client = sign_in(OPERATOR)

    context, shown = page_of(profile, client).context, []
    while True:
        shown += context["moments"]
        if not context["next_before"]:
            break
        address = f"/admin/profiles/profile/{profile.pk}/timeline/"
        context = client.get(address, {"before": context["next_before"]}).context

    numbers = [dict(moment.summary).get("n", 0) for moment in shown]
    assert numbers == sorted(range(2 * PAGE_SIZE + 3), reverse=True)


@pytest.mark.parametrize("before", ["x", "2026-01-01|x", "|", "9999-12-31T23:59:59+00:00|5"])
def test_a_broken_cursor_does_no_harm(before):
    event = EventFactory()

    answer = sign_in(OPERATOR).get(f"/admin/profiles/profile/{event.profile_id}/timeline/", {"before": before})

    assert answer.status_code == 200


def test_conflicts_stand_beside_the_identifier_and_the_attribute_on_both_sides():
    shop = SourceFactory()
    send(shop, identify(user="a", phone="13800138000", at=0), identify(user="b", phone="13800138000", at=1))
    ann, bob = profile_of("user_id", "a"), profile_of("user_id", "b")
    client = sign_in(OPERATOR)

    anns, bobs = (page_of(profile, client).context for profile in (ann, bob))

    (phone,) = [own for own in anns["identifiers"] if own.claimed_by]
    (user_id,) = [own for own in bobs["identifiers"] if own.came_with]
    (fact,) = [fact for fact in bobs["facts"] if fact.stayed_with]
    assert (phone.value, phone.claimed_by[0].other) == ("+8613800138000", "User id b")
    assert (user_id.value, user_id.came_with[0].other) == ("b", "Phone +8613800138000")
    assert fact.definition.key == "phone"
    assert f"/profile/{ann.pk}/" in fact.stayed_with.person
    assert f"/profile/{bob.pk}/" in phone.claimed_by[0].person
    assert not [fact for fact in anns["facts"] if fact.stayed_with]


def test_a_decided_conflict_is_no_longer_shown():
    send(SourceFactory(), identify(user="a", anonymous="x", at=0), identify(user="b", anonymous="x", at=1))
    IdentityConflict.objects.update(state="dismissed")

    assert "st-dispute" not in page_of(profile_of("user_id", "a")).content.decode()


def test_events_cannot_break_the_page():
    event = EventFactory(properties={"<script>alert(1)</script>": "</pre><script>alert(2)</script>"})

    text = page_of(event.profile).content.decode()

    assert "<script>alert" not in text


def test_a_manual_tag_is_put_on_and_taken_off():
    profile, value = ProfileFactory(), TagValueFactory()
    client = sign_in(OPERATOR)

    assigned = client.post(
        f"/admin/tags/tag/assign/{profile.pk}/", {"choice": f"{value.tag_id}:{value.pk}"}, follow=True
    )
    held = profile.tag_assignments.get()
    client.post(f"/admin/tags/tag/unassign/{profile.pk}/", {"tag": value.tag_id})

    assert f"Assigned {value.tag.name}." in assigned.content.decode()
    assert (held.tag, held.value) == (value.tag, value)
    assert not profile.tag_assignments.exists()


def test_viewers_assign_no_tags():
    profile, tag = ProfileFactory(), TagFactory()
    client = sign_in(VIEWER)

    answer = client.post(f"/admin/tags/tag/assign/{profile.pk}/", {"choice": f"{tag.pk}:"})

    assert answer.status_code == 403
    assert not profile.tag_assignments.exists()
    assert "/admin/tags/tag/assign/" not in page_of(profile, client).content.decode()


@pytest.mark.parametrize("choice", ["", "x", "1:", ":1", "999999:"])
def test_a_tag_that_no_form_offers_is_not_assigned(choice):
    TagAssignmentFactory(tag__kind="rule", tag__rule={"op": "attribute", "key": "city", "is": "set"}, tag__pk=1)
    profile = ProfileFactory()

    answer = sign_in(OPERATOR).post(f"/admin/tags/tag/assign/{profile.pk}/", {"choice": choice})

    assert answer.status_code == 404
    assert not profile.tag_assignments.exists()
