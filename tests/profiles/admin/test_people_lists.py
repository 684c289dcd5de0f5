"""What can be done with a list of people: with those ticked, and with all of it."""

import csv
import io

import pytest
from django.contrib.admin.models import LogEntry

from cdp.models import Run, User
from cdp.roles import CAMPAIGN_MANAGER, OPERATOR, VIEWER
from profiles.admin.profile import ProfileAdmin
from profiles.people_urls import people_url
from profiles.services import preview
from segments.models import BulkJoining, Membership, Segment
from segments.services.joining import put_in
from tests.factories.profiles import AttributeDefinitionFactory, IdentifierFactory, ProfileFactory
from tests.factories.segments import (
    MembershipFactory,
    SegmentFactory,
    TierSchemeFactory,
    lives_in,
)
from tests.factories.tags import TagAssignmentFactory, TagFactory, TagValueFactory
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db
LIST = "/admin/profiles/profile/"


def choose(client, action, query="", *, ticked=None, **further):
    """All of the list, or those ticked."""
    chosen = {"index": "0", "select_across": "1" if ticked is None else "0", "_selected_action": ticked or ["0"]}
    return client.post(f"{LIST}{query}", {"action": action, **chosen, **further})


def save(client, query="", *, ticked=None, **asked):
    return choose(client, "save_people_as_segment", query, ticked=ticked, apply="1", **asked)


def user_of(client):
    return User.objects.get(pk=client.session["_auth_user_id"])


def carry_out():
    for run in Run.objects.filter(kind="join_people", state=Run.State.QUEUED):
        put_in(run, now=run.created_at)


def members(segment):
    return set(Membership.objects.filter(segment=segment).values_list("profile", flat=True))


def rows(answer):
    text = b"".join(answer.streaming_content).decode().removeprefix("\ufeff")
    return list(csv.DictReader(io.StringIO(text)))


def test_all_of_a_filtered_list_become_a_segment_by_hand():
    tag = TagFactory(name="Vip")
    tagged = {TagAssignmentFactory(tag=tag).profile_id for _ in range(3)}
    ProfileFactory()
    client = sign_in(OPERATOR, language="en")

    asked = choose(client, "save_people_as_segment", f"?tag={tag.pk}")
    answer = save(client, f"?tag={tag.pk}", what="hand", name="十一月 VIP")
    carry_out()

    segment = Segment.objects.get()
    assert asked.context["n_people"] == 3
    assert asked.context["words"] == "tag: Vip"
    assert (segment.kind, segment.name, segment.key, segment.owner) == (
        "static",
        "十一月 VIP",
        "shi-yi-yue-vip",
        user_of(client),
    )
    assert answer["Location"] == f"/admin/segments/segment/{segment.pk}/members/#put-in"
    assert members(segment) == tagged
    assert Run.objects.get().counts == {"joined": 3, "unchanged": 0}
    assert LogEntry.objects.filter(object_id=str(segment.pk), user=user_of(client)).exists()


@pytest.mark.parametrize(
    "query", ["tag=x", "tag=1:x", "segment=x", "segment=1,x", "tier=x", "segment=" + "1," * 10 + "1"]
)
def test_a_filter_that_cannot_be_read_lists_nobody(query):
    ProfileFactory()

    page = sign_in(OPERATOR).get(f"{LIST}?{query}")

    assert list(page.context["cl"].result_list) == []


def test_a_filter_by_what_is_not_offered_is_named():
    tag = TagFactory(name="Old", lifecycle="archived")
    TagAssignmentFactory(tag=tag)
    client = sign_in(OPERATOR, language="en")

    asked = choose(client, "save_people_as_segment", f"?tag={tag.pk}")

    assert (asked.context["n_people"], asked.context["words"]) == (1, "tag: Old")


def test_carriers_without_a_value_are_listed_and_saved_by_rule():
    tag = TagFactory(key="card", name="Card")
    bare = TagAssignmentFactory(tag=tag).profile
    TagAssignmentFactory(tag=tag, value=TagValueFactory(tag=tag, key="gold"))
    client = sign_in(OPERATOR, language="en")

    asked = choose(client, "save_people_as_segment", f"?tag={tag.pk}:")

    assert list(client.get(f"{LIST}?tag={tag.pk}:").context["cl"].result_list) == [bare]
    assert asked.context["words"] == "tag: Card · Without a value"
    assert asked.context["sentence"]


def test_those_ticked_join_a_segment_that_there_is():
    segment = SegmentFactory(kind="static", rule=None)
    ann, bob, _eve = ProfileFactory.create_batch(3)
    MembershipFactory(segment=segment, profile=bob)

    save(sign_in(OPERATOR), ticked=[ann.pk, bob.pk], what="into", into=segment.pk)
    carry_out()

    assert members(segment) == {ann.pk, bob.pk}
    assert Run.objects.get().counts == {"joined": 1, "unchanged": 1}


def test_a_list_that_a_rule_can_say_becomes_a_segment_by_rule():
    inside, outside = SegmentFactory(key="inside"), SegmentFactory(key="outside")
    tag = TagFactory(key="vip")
    gold = TagValueFactory(tag=tag, key="gold")
    tier = TierSchemeFactory(key="club", tiers={"top": None}).tiers.get()
    query = f"?segment={inside.pk},-{outside.pk}&tag={tag.pk}:{gold.pk}&tier={tier.pk}&kind=email&seen=over90"
    client = sign_in(OPERATOR)

    listed = client.get(LIST + query).context["cl"].listed
    answer = save(client, f"?segment={inside.pk}", what="rule", name="Same", ticked=None)

    assert listed.rule["all"] == [
        {"op": "tag", "key": "vip", "value": ["gold"]},
        {"op": "segment", "key": "inside"},
        {"not": {"op": "segment", "key": "outside"}},
        {"op": "tier", "scheme": "club", "in": ["top"]},
        {"op": "identifier", "kind": "email"},
        {"op": "attribute", "key": "last_seen_at", "is": "not_in_last", "value": {"days": 90}},
    ]
    assert answer.status_code == 302
    assert client.get(answer["Location"]).context["adminform"].form.initial["rule"] == {
        "op": "segment",
        "key": "inside",
    }
    assert not BulkJoining.objects.exists()


@pytest.mark.parametrize("query", ["", "?q=Ann", "?segment=archived"])
def test_what_no_rule_can_say_is_only_saved_by_hand(query):
    archived = SegmentFactory(archived_at="2026-01-01T00:00Z")
    MembershipFactory(segment=archived, profile=ProfileFactory(attributes={"name": "Ann"}))
    client = sign_in(OPERATOR)

    asked = choose(client, "save_people_as_segment", query.replace("archived", str(archived.pk)))

    assert [value for value, _label in asked.context["form"].fields["what"].choices] == ["hand"]
    assert asked.context["n_people"] == 1


def test_people_of_a_signed_rule_are_saved_by_it_or_by_hand():
    ann = ProfileFactory(attributes={"city": "Oslo"})
    ProfileFactory()
    query = people_url(lives_in("Oslo")).removeprefix(LIST)
    client = sign_in(OPERATOR)

    by_rule = save(client, query, what="rule", name="Oslo")
    save(client, query, what="hand", name="Oslo today", key="oslo")
    carry_out()

    assert client.get(by_rule["Location"]).context["adminform"].form.initial["rule"] == lives_in("Oslo")
    assert members(Segment.objects.get(key="oslo")) == {ann.pk}


def test_who_was_in_a_segment_at_a_moment_is_a_list_too(now):
    was, came, absorbed = ProfileFactory.create_batch(3)
    segment = SegmentFactory(name="Loyal")
    for profile, change, day in [(was, "entered", 1), (was, "left", 5), (came, "entered", 5), (absorbed, "entered", 1)]:
        segment.changes.create(profile=profile, change=change, cause="data", at=f"2026-03-0{day}T00:00Z")
    survivor = ProfileFactory()
    absorbed.merged_into = survivor
    absorbed.save()
    client = sign_in(OPERATOR, language="en")

    page = client.get(f"/admin/segments/segment/{segment.pk}/members/?as_of=2026-03-03T00:00")
    listed = client.get(page.context["people_url"])
    save(client, page.context["people_url"].removeprefix(LIST), what="hand", name="Then", key="then")
    carry_out()

    assert {profile.pk for profile in listed.context["cl"].result_list} == {was.pk, survivor.pk}
    assert "“Loyal” at 2026-03-03 00:00" in listed.content.decode()
    assert f'value="{survivor.pk}"' in page.content.decode()
    assert members(Segment.objects.get(key="then")) == {was.pk, survivor.pk}


def test_who_came_and_went_on_a_day_is_a_list_too():
    came, went, absorbed, later = ProfileFactory.create_batch(4)
    segment = SegmentFactory(name="Loyal")
    survivor = ProfileFactory()
    absorbed.merged_into = survivor
    absorbed.save()
    day = "2026-03-02"  # in Shanghai
    moves = [
        (came, "entered", "2026-03-01T16:00Z"), (absorbed, "entered", "2026-03-02T15:59Z"),
        (later, "entered", "2026-03-02T16:00Z"), (went, "left", "2026-03-02T04:00Z"),
    ]  # fmt: skip
    for profile, change, at in moves:
        segment.changes.create(profile=profile, change=change, cause="data", at=at)
    client = sign_in(OPERATOR, language="en")

    entered = client.get(LIST, {"moved": f"{segment.pk}:entered@{day}"})
    left = client.get(LIST, {"moved": f"{segment.pk}:left@{day}"})

    assert {profile.pk for profile in entered.context["cl"].result_list} == {came.pk, survivor.pk}
    assert [profile.pk for profile in left.context["cl"].result_list] == [went.pk]
    assert "left “Loyal” on 2026-03-02" in left.content.decode()


@pytest.mark.parametrize("asked", ["1", "1:moved@2026-01-01", "1:left@never", "x:left@2026-01-01", "1:left@9999-12-31"])
def test_a_move_that_makes_no_sense_finds_nobody(asked):
    ProfileFactory()

    answer = sign_in(OPERATOR).get(LIST, {"moved": asked})

    assert (answer.status_code, list(answer.context["cl"].result_list)) == (200, [])


@pytest.mark.parametrize("asked", ["1", "x@2026-01-01", "1@never", "1@9999-12-31T23:59", f"{'9' * 30}@2026-01-01"])
def test_a_moment_that_makes_no_sense_finds_nobody(asked):
    ProfileFactory()

    answer = sign_in(OPERATOR).get(LIST, {"was_in": asked})

    assert answer.status_code == 200
    assert list(answer.context["cl"].result_list) == []


def test_a_name_a_key_and_people_are_asked_for():
    SegmentFactory(key="taken")
    ProfileFactory()
    client = sign_in(OPERATOR)

    nameless = save(client, what="hand", name="")
    taken = save(client, what="hand", name="Taken", key="taken")
    nowhere = save(client, what="into", name="")
    nobody = save(client, "?kind=phone", what="hand", name="Nobody", key="nobody")

    assert list(nameless.context["form"].errors) == ["name"]
    assert list(taken.context["form"].errors) == ["key"]
    assert list(nowhere.context["form"].errors) == ["what", "name"]
    assert nobody.context["n_people"] == 0
    assert Segment.objects.count() == 1
    assert not Run.objects.exists()


def test_a_list_is_exported_with_what_its_reader_may_see():
    AttributeDefinitionFactory(key="level", is_pii=False)
    ann = IdentifierFactory(kind_key="email", value="ann@example.com").profile
    ann.attributes = {"name": "Ann", "level": "5"}
    ann.save()
    other = ProfileFactory()
    operator, viewer = sign_in(OPERATOR, language="en"), sign_in(VIEWER)

    [seen] = rows(choose(operator, "export_csv", "?kind=email"))
    [masked] = rows(choose(viewer, "export_csv", "?kind=email"))
    ticked = rows(choose(operator, "export_csv", ticked=[other.pk]))
    lines = b"".join(choose(operator, "export_ndjson").streaming_content).splitlines()

    assert (seen["profile"], seen["identifiers.email"], seen["attributes.name"]) == (
        str(ann.public_id), "ann@example.com", "Ann",
    )  # fmt: skip
    assert (masked["identifiers.email"], masked["attributes.name"], masked["attributes.level"]) == ("•••", "•••", "5")
    assert [row["profile"] for row in ticked] == [str(other.public_id)]
    assert len(lines) == 2
    entries = LogEntry.objects.filter(user=user_of(operator)).order_by("pk").values_list("object_id", "change_message")
    assert list(entries) == [
        (str(user_of(operator).pk), "Exported people as CSV: identifier kind: Email."),
        (str(user_of(operator).pk), "Exported people as CSV: 1 ticked in the list."),
        (str(user_of(operator).pk), "Exported people as NDJSON: everybody."),
    ]


@pytest.mark.parametrize(
    ("role", "offered"),
    [
        (OPERATOR, ["save_people_as_segment", "tag_people", "export_csv", "export_ndjson", "export_parquet"]),
        (VIEWER, ["export_csv", "export_ndjson", "export_parquet"]),
        (CAMPAIGN_MANAGER, ["export_csv", "export_ndjson", "export_parquet"]),
    ],
)
def test_each_role_is_offered_what_it_may_do(role, offered):
    segment = SegmentFactory()
    MembershipFactory(segment=segment)
    client = sign_in(role)

    listed = client.get(LIST)
    page = client.get(f"/admin/segments/segment/{segment.pk}/members/#put-in")
    refused = save(client, what="hand", name="Mine", key="mine") if role != OPERATOR else None

    assert [name for name, _label in listed.context["people_actions"]] == offered
    assert [name for name, _label in page.context["people_actions"]] == offered
    assert [name for name, _label in page.context["all_actions"]] == offered[:-3]
    if refused is not None:
        assert not Segment.objects.filter(key="mine").exists()


def test_a_list_that_takes_too_long_says_so(monkeypatch):
    ProfileFactory()
    monkeypatch.setattr(preview, "TIMEOUT_SECONDS", 0.05)
    slow = ProfileAdmin.get_queryset

    def get_queryset(self, request):
        return slow(self, request).extra(where=["pg_sleep(1) IS NOT NULL"])

    monkeypatch.setattr(ProfileAdmin, "get_queryset", get_queryset)

    answer = sign_in(OPERATOR, language="en").get(LIST)

    assert list(answer.context["cl"].result_list) == []
    assert "takes too long" in answer.content.decode()
