"""Segments in the admin: what saving checks, says and starts."""

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cdp.models import Run
from cdp.roles import CAMPAIGN_MANAGER, OPERATOR, PRIVACY_OFFICER, VIEWER
from cdp.rules.causes import Cause
from profiles.models import AttributeDefinition
from segments.models import BulkJoining, Segment, TierScheme
from segments.services import add_members
from tests.factories.cdp import UserFactory
from tests.factories.profiles import SEEN_AT, IdentifierFactory, ProfileFactory
from tests.factories.segments import (
    MembershipChangeFactory,
    MembershipFactory,
    SegmentFactory,
    StaticSegmentFactory,
    TierSchemeFactory,
    lives_in,
)
from tests.factories.tags import TagFactory
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db
ADD = "/admin/segments/segment/add/"


def form(rule, **values):
    text = rule if isinstance(rule, str) else json.dumps(rule)
    return {"name": "Loyal", "key": "loyal", "kind": "dynamic", "description": "", "rule": text, **values}


def errors(answer):
    return dict(answer.context["adminform"].form.errors)


def test_saving_queues_a_refresh_and_says_how_many_match():
    ProfileFactory(attributes={"city": "Oslo"})

    answer = sign_in(OPERATOR).post(ADD, form(lives_in("Oslo")), follow=True)

    assert Segment.objects.get().rule == lives_in("Oslo")
    assert [(run.kind, run.subject) for run in Run.objects.all()] == [("refresh", "segment:loyal")]
    said = [str(message) for message in answer.context["messages"]]
    assert said[0] == "Queued a refresh."
    assert said[-1] == "Matches 1 person now."


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_saved_rule_is_counted_when_others_may_save_again():
    operator = sign_in(OPERATOR)

    with CaptureQueriesContext(connection) as queries:
        operator.post(ADD, form(lives_in("Oslo")))

    said = [query["sql"] for query in queries]
    (saved,) = [place for place, sql in enumerate(said) if 'INSERT INTO "segments_segment"' in sql]
    counted = next(place for place, sql in enumerate(said) if "statement_timeout" in sql)
    assert "COMMIT" in said[saved:counted]


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ("{", "This is not JSON: line 1, column 2."),
        ('{"all": []}', "all: must not be empty"),
        ('{"any": [{"op": "attribute", "key": "citty", "is": "set"}]}', "any[0].key: no attribute 'citty' is defined"),
        ("", "This field is required."),
        ("[" * 3000, "This rule is nested too deep."),
    ],
)
def test_a_rule_that_is_wrong_says_where_at_its_field_and_saves_nothing(rule, problem):
    answer = sign_in(OPERATOR).post(ADD, form(rule))

    assert problem in errors(answer)["rule"]
    assert not Segment.objects.exists()
    assert not Run.objects.exists()


def test_a_circle_is_refused_at_the_field_and_what_was_typed_stays():
    first = SegmentFactory(key="first")
    SegmentFactory(key="second", rule={"op": "segment", "key": "first"})
    circle = {"op": "segment", "key": "second"}

    answer = sign_in(OPERATOR).post(f"/admin/segments/segment/{first.pk}/change/", form(circle, name="New name"))

    assert "circle" in errors(answer)["rule"][0]
    assert "New name" in answer.content.decode()
    first.refresh_from_db()
    assert (first.rule, first.name) == (lives_in("Oslo"), "First")


def test_an_edit_of_an_older_version_is_refused():
    segment = SegmentFactory(rule_version=3)
    edit = form(lives_in("Bergen"), seen_version=2)

    answer = sign_in(OPERATOR).post(f"/admin/segments/segment/{segment.pk}/change/", edit)

    assert errors(answer)["__all__"] == [
        "The rule has version 3 by now; you edited version 2.",
        "What you wrote is still here: copy it, reload the page and edit it again.",
    ]


def test_a_conflict_names_who_was_faster():
    segment = SegmentFactory()
    address = f"/admin/segments/segment/{segment.pk}/change/"
    sign_in(OPERATOR, username="bo").post(address, form(lives_in("Bergen"), seen_version=1))

    answer = sign_in(OPERATOR).post(address, form(lives_in("Tromsø"), seen_version=1))

    assert "Changed last by bo." in errors(answer)["__all__"]


def test_what_an_editor_left_alone_stays_as_another_has_saved_it():
    segment = SegmentFactory(name="Loyal", description="As ann saw it", category="Old", alert_percent=5)
    address = f"/admin/segments/segment/{segment.pk}/change/"
    page = sign_in(OPERATOR).get(address).content.decode()
    seen = {"initial-name": "Loyal", "initial-description": "As ann saw it", "initial-category": "Old"}
    Segment.objects.update(description="By bo", alert_percent=20)

    edit = form(segment.rule, **seen, name="Ours", description="As ann saw it", category="", seen_version=1)
    answer = sign_in(OPERATOR).post(address, edit | {"initial-alert_percent": "5", "alert_percent": "5"})

    segment.refresh_from_db()
    assert [f'name="{name}"' in page for name in (*seen, "initial-alert_percent")] == [True] * 4
    assert answer.status_code == 302
    assert (segment.name, segment.description) == ("Ours", "By bo")
    assert (segment.category, segment.alert_percent) == ("", 20)


@pytest.mark.parametrize("rule", ["[]", "null", "{}", '{"all": []}', "{"])
def test_count_and_save_say_the_same_of_a_wrong_rule_and_say_it_once(rule):
    client = sign_in(OPERATOR)

    counted = client.post("/admin/profiles/profile/rule-preview/", {"rule": rule}).content.decode()
    saved = client.post(ADD, form(rule))

    (problem,) = errors(saved)["rule"]
    assert problem.removeprefix("all: ") in counted
    assert saved.content.decode().count(problem.removeprefix("all: ")) == 1


def test_who_may_not_open_the_page_of_the_owner_reads_the_name():
    owner = UserFactory(username="bo")
    segment, tag = SegmentFactory(owner=owner), TagFactory(owner=owner)

    viewer = sign_in(VIEWER)
    pages = [viewer.get(f"/admin/{path}/change/") for path in (f"segments/segment/{segment.pk}", f"tags/tag/{tag.pk}")]

    texts = [page.content.decode() for page in pages]
    assert [">bo<" in text for text in texts] == [True, True]
    assert not any(f"/admin/cdp/user/{owner.pk}/" in text for text in texts)


def test_the_key_stays():
    segment = SegmentFactory()

    sign_in(OPERATOR).post(f"/admin/segments/segment/{segment.pk}/change/", form(segment.rule, key="other"))

    assert Segment.objects.get().key == segment.key


def test_a_segment_in_use_is_not_deleted_and_its_users_are_named():
    used = SegmentFactory(key="first")
    user = SegmentFactory(key="second", rule={"op": "segment", "key": "first"})
    client, address = sign_in(OPERATOR), f"/admin/segments/segment/{used.pk}/delete/"

    asked, answer = client.get(address), client.post(address, {"post": "yes"})

    assert user.name in asked.content.decode()
    assert user.name in answer.content.decode()
    assert Segment.objects.count() == 2


def test_a_segment_that_nobody_uses_is_deleted_with_its_members():
    member = MembershipFactory()

    sign_in(OPERATOR).post(f"/admin/segments/segment/{member.segment_id}/delete/", {"post": "yes"})

    assert not Segment.objects.exists()


def test_the_button_queues_a_refresh():
    segment = SegmentFactory()
    client, address = sign_in(OPERATOR), f"/admin/segments/segment/{segment.pk}/refresh/"

    client.post(address)

    queued = [(run.subject, run.params) for run in Run.objects.all()]
    assert queued == [(f"segment:{segment.key}", {"cause": "correction"})]  # it judges as a check: no rule is new
    assert client.get(address).status_code == 405
    assert sign_in(VIEWER).post(address).status_code == 403


@pytest.mark.parametrize("role", [VIEWER, CAMPAIGN_MANAGER])
def test_others_read_the_rule_in_words(role):
    segment = SegmentFactory()

    text = sign_in(role).get(f"/admin/segments/segment/{segment.pk}/change/").content.decode()

    assert "City is “Oslo”" in text
    assert "<textarea" not in text


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ({"op": "attribute", "key": "phone", "is": "in", "value": ["+8613800138000"]}, "Phone is one of •••"),
        (
            {"op": "attribute", "key": "birthday", "is": "between", "value": ["1990-01-01", "1990-12-31"]},
            "from ••• to •••",
        ),
        (
            {"op": "event", "name": "Login", "where": [{"key": "user.tel", "is": "eq", "value": "138"}]},
            "did “Login” (where user.tel is •••)",
        ),
        ({"op": "attribute", "key": "city", "is": "eq", "value": "to ann@example.com"}, "City is •••"),
        ({"op": "event", "name": "of ann@example.com"}, "did “of •••”"),
    ],
)
def test_personal_values_of_any_type_are_masked_in_words(rule, sentence):
    AttributeDefinition.objects.update_or_create(key="birthday", defaults={"type": "date", "is_pii": True})
    segment = SegmentFactory(rule=rule)
    client = sign_in(VIEWER)

    texts = [client.get(f"/admin/segments/segment/{page}").content.decode() for page in ("", f"{segment.pk}/change/")]

    for text in texts:
        assert sentence in text
        assert "can no longer be read" not in text


def test_preview_counts_and_names_what_is_wrong():
    ProfileFactory(attributes={"city": "Oslo"})
    client, address = sign_in(OPERATOR), "/admin/profiles/profile/rule-preview/"

    counted = client.post(address, {"rule": json.dumps(lives_in("Oslo"))}).json()
    (wrong,) = client.post(address, {"rule": '{"op": "attribut"}'}).json()["problems"]

    assert (counted["sentence"], counted["counted"]) == ("City is “Oslo”", "Matches 1 person now.")
    assert [person["name"][:14] for person in counted["people"]] == ["Without a name"]
    assert (wrong["path"], wrong["message"][:16]) == ("op", "unknown operator")
    assert client.post(address).json() == {"problems": [{"path": "", "message": "Write a rule first."}]}


@pytest.mark.parametrize(
    ("role", "status"), [(VIEWER, 403), (CAMPAIGN_MANAGER, 403), (PRIVACY_OFFICER, 403), (OPERATOR, 200)]
)
def test_preview_is_for_those_who_may_write_rules(role, status):
    answer = sign_in(role).post("/admin/profiles/profile/rule-preview/", {"rule": json.dumps(lives_in("Oslo"))})

    assert answer.status_code == status


def test_members_and_changes_are_listed():
    member = MembershipFactory()
    change = MembershipChangeFactory(segment=member.segment, profile=member.profile)
    client = sign_in(VIEWER)

    members = client.get(f"/admin/segments/segment/{member.segment_id}/members/")
    changes = client.get(f"/admin/segments/segment/{member.segment_id}/changes/")

    assert [row.profile_id for row, _name in members.context["table"]] == [member.profile_id]
    assert [row for row, _name in changes.context["table"]] == [change]


def test_queries_do_not_grow_with_the_list():
    client = sign_in(VIEWER)
    SegmentFactory(key="a")
    client.get("/admin/segments/segment/")
    with CaptureQueriesContext(connection) as few:
        client.get("/admin/segments/segment/")
    for number in range(5):
        SegmentFactory(key=f"a{number}", rule=lives_in(str(number)))

    with CaptureQueriesContext(connection) as many:
        client.get("/admin/segments/segment/")

    assert len(many) == len(few)


def test_a_segment_by_hand_is_made_without_a_rule_and_filled_by_identifiers():
    ann = IdentifierFactory(kind_key="email", value="ann@example.com").profile
    client = sign_in(OPERATOR)

    made = client.post(ADD, form("{ what stood here", kind="static"), follow=True)
    guests = Segment.objects.get()
    assert (guests.kind, guests.rule, Run.objects.exists()) == ("static", None, False)
    address = f"/admin/segments/segment/{guests.pk}/members/"
    lines = " Ann@example.com\n\nbo@example.com\n"
    answer = client.post(f"{address}add/", {"kind": "email", "identifiers": lines}, follow=True)

    assert "Queued a refresh." not in made.content.decode()
    page = client.get(f"/admin/segments/segment/{guests.pk}/change/").content.decode()
    assert "Members: add and remove" in page
    assert '<textarea name="rule"' not in page
    assert [str(message) for message in answer.context["messages"]] == [
        "Nobody has this identifier: bo@example.com",
        "1 person is being put into “Loyal”.",
    ]
    assert (answer.context["not_found"], answer.context["chosen_kind"]) == (["bo@example.com"], "email")
    joining = BulkJoining.objects.get()
    assert (joining.chosen_by, joining.profile_ids, joining.unknown) == ("a pasted list", [ann.pk], ["bo@example.com"])
    assert [each for each, _bar, _undo in answer.context["put_in"]] == [joining]


def test_who_is_ticked_is_taken_out():
    guests, ann, bob = StaticSegmentFactory(), ProfileFactory(), ProfileFactory()
    add_members(guests, [ann.pk, bob.pk], now=SEEN_AT)
    client, address = sign_in(OPERATOR), f"/admin/segments/segment/{guests.pk}/members/"

    answer = client.post(f"{address}remove/", {"_selected_action": [str(ann.pk), "x"]}, follow=True)
    nobody = client.post(f"{address}remove/", {}, follow=True)

    assert [row.profile_id for row, _name in answer.context["table"]] == [bob.pk]
    assert "Removed 1 person." in answer.content.decode()
    assert "Tick whom to remove." in nobody.content.decode()


def test_of_a_list_that_names_nobody_nothing_is_queued():
    guests = StaticSegmentFactory()

    answer = sign_in(OPERATOR).post(
        f"/admin/segments/segment/{guests.pk}/members/add/", {"kind": "email", "identifiers": "bo@example.com"}
    )

    assert "Nobody has this identifier: bo@example.com" in answer.content.decode()
    assert not Run.objects.exists()


@pytest.mark.parametrize("lines", ["", " \n"])
def test_no_line_adds_nobody_and_says_so(lines):
    guests = StaticSegmentFactory()

    answer = sign_in(OPERATOR).post(
        f"/admin/segments/segment/{guests.pk}/members/add/", {"kind": "email", "identifiers": lines}
    )

    assert "Write one to 10,000 identifiers, one a line." in answer.content.decode()


def test_members_by_hand_say_who_put_them_in():
    guests, lin, ann, bob = StaticSegmentFactory(), UserFactory(username="lin"), ProfileFactory(), ProfileFactory()
    add_members(guests, [ann.pk], user=lin, now=SEEN_AT)
    add_members(guests, [bob.pk], user=lin, now=SEEN_AT, cause=Cause.IMPORT, import_id=7)

    page = sign_in(OPERATOR).get(f"/admin/segments/segment/{guests.pk}/members/").content.decode()

    assert "<td>lin</td>" in page
    assert '<td>lin · <a class="st-link" href="/admin/profiles/import/7/change/">Import 7</a></td>' in page


def test_members_by_hand_are_for_those_who_may_and_for_segments_by_hand():
    guests, oslo, ann = StaticSegmentFactory(), SegmentFactory(), ProfileFactory()
    viewer, operator = sign_in(VIEWER), sign_in(OPERATOR)
    for what in ("add", "remove"):
        path = "/admin/segments/segment/{}/members/" + what + "/"
        assert viewer.post(path.format(guests.pk), {"profile": ann.pk}).status_code == 403
        assert operator.get(path.format(guests.pk)).status_code == 405
        assert operator.post(path.format(oslo.pk), {"profile": ann.pk}).status_code == 404
    assert 'id="add"' not in viewer.get(f"/admin/segments/segment/{guests.pk}/members/").content.decode()
    assert operator.post(f"/admin/segments/segment/{guests.pk}/refresh/").status_code == 404


def test_the_list_is_filtered_by_kind():
    SegmentFactory(name="Those of Oslo")
    StaticSegmentFactory(name="Guests")

    text = sign_in(VIEWER).get("/admin/segments/segment/?kind__exact=static").content.decode()

    assert "Guests" in text
    assert "Those of Oslo" not in text


def tiers_form(*tiers, initial=0):
    rows = {
        f"tiers-{index}-{field}": value
        for index, tier in enumerate(tiers)
        for field, value in {"benefits": "", **tier}.items()
    }
    counts = {"tiers-TOTAL_FORMS": len(tiers), "tiers-INITIAL_FORMS": initial}
    return {"name": "Club", "key": "club", "description": "", **counts, **rows}


def test_a_tier_scheme_is_saved_with_its_tiers_in_order():
    rule = json.dumps(lives_in("Oslo"))
    tiers = tiers_form(
        {"name": "Basic", "key": "basic", "position": "5", "entry": ""},
        {"name": "Gold", "key": "gold", "position": "1", "entry": rule},
    )

    sign_in(OPERATOR).post("/admin/segments/tierscheme/add/", tiers)

    scheme = TierScheme.objects.get()
    assert list(scheme.tiers.order_by("position").values_list("key", "position")) == [("gold", 0), ("basic", 1)]
    assert [run.subject for run in Run.objects.all()] == ["tier:club"]


def test_what_the_service_refuses_of_a_scheme_comes_again_with_what_was_typed():
    tiers = tiers_form(
        {"name": "Gold", "key": "gold", "position": "0", "entry": ""},
        {"name": "Basic", "key": "basic", "position": "1", "entry": ""},
    )

    answer = sign_in(OPERATOR).post("/admin/segments/tierscheme/add/", tiers)

    assert errors(answer)["__all__"] == ["Only the lowest tier may be without an entry rule; “Gold” has none."]
    assert 'value="basic"' in answer.content.decode()
    assert not TierScheme.objects.exists()


def test_a_tier_is_edited_and_another_removed():
    scheme = TierSchemeFactory(
        key="club", tiers={"gold": lives_in("Oslo"), "silver": lives_in("Bergen"), "basic": None}
    )
    gold, silver, basic = scheme.tiers.order_by("position")
    rows = [
        {"id": gold.pk, "name": "Gold!", "key": "gold", "position": "0", "entry": json.dumps(gold.entry)},
        {"id": silver.pk, "name": "Silver", "key": "silver", "position": "1", "entry": "", "DELETE": "on"},
        {"id": basic.pk, "name": "Basic", "key": "basic", "position": "2", "entry": ""},
    ]  # fmt: skip

    sign_in(OPERATOR).post(f"/admin/segments/tierscheme/{scheme.pk}/change/", tiers_form(*rows, initial=3))

    assert list(scheme.tiers.order_by("position").values_list("key", "name")) == [("gold", "Gold!"), ("basic", "Basic")]


def test_nobody_is_shown_as_of_a_time_to_come():
    member = MembershipFactory()
    address = f"/admin/segments/segment/{member.segment_id}/members/"

    answer = sign_in("viewer").get(f"{address}?as_of=2999-01-01T00:00", follow=True)

    assert answer.redirect_chain == [(address, 302)]
    assert "This time is to come" in answer.content.decode()
