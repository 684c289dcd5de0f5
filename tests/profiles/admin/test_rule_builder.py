"""What the builder of rules asks the server for."""

import json

import pytest

from cdp.roles import OPERATOR, PRIVACY_OFFICER, VIEWER
from profiles.models import EventDefinition
from profiles.services import preview
from tests.factories.profiles import AttributeDefinitionFactory, EventFactory, ProfileFactory
from tests.factories.segments import SegmentFactory, TierSchemeFactory, lives_in
from tests.factories.tags import TagFactory, TagValueFactory
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db
BASE = "/admin/profiles/profile/"


def get(page, client=None, **query):
    return (client or sign_in(OPERATOR)).get(f"{BASE}{page}/", query)


def test_the_language_comes_in_the_language_of_the_reader():
    english, chinese = (get("rule-language", sign_in(OPERATOR, language=code)).json() for code in ("en", "zh-hans"))

    assert [each["label"] for each in (english["operators"][0], chinese["operators"][0])] == ["Attribute", "属性"]
    assert (english["say"]["undo"], chinese["say"]["undo"]) == ("Undo", "撤销")


def test_names_are_offered_with_what_depends_on_them():
    AttributeDefinitionFactory(key="shoe_size", label="Shoe size", type="number")
    EventDefinition.objects.create(name="Shoe Bought", label="")
    SegmentFactory(key="shoes", name="Shoe lovers")
    value = TagValueFactory(tag=TagFactory(key="shoe", name="Shoe"), key="boots", name="Boots")

    found = {
        kind: get("rule-names", kind=kind, q="shoe").json()["options"]
        for kind in ("attribute", "event", "segment", "tag")
    }

    assert found == {
        "attribute": [{"value": "shoe_size", "label": "Shoe size", "hint": "shoe_size", "type": "number"}],
        "event": [{"value": "Shoe Bought", "label": "Shoe Bought"}],
        "segment": [{"value": "shoes", "label": "Shoe lovers", "hint": "shoes"}],
        "tag": [
            {"value": "shoe", "label": "Shoe", "hint": "shoe", "options": [{"value": value.key, "label": "Boots"}]}
        ],
    }
    assert get("rule-names", kind="segment", name="shoes").json()["options"] == found["segment"]
    assert get("rule-names", kind="none").status_code == 404


def test_a_purchase_is_found_by_what_readers_of_chinese_call_it():
    client = sign_in(OPERATOR, language="zh-hans")

    found = {
        term: get("rule-names", client, kind="event", q=term).json()["options"]
        for term in ("购买", "订单", "ORDER COM")
    }

    bought = {"value": "Order Completed", "label": "购买（订单完成）", "hint": "Order Completed"}
    assert found["购买"] == found["ORDER COM"] == [bought]
    assert bought in found["订单"]


def test_properties_and_values_are_offered():
    ProfileFactory(attributes={"city": "Oslo"})
    EventFactory(definition__name="Order Completed", properties={"coupon": "SPRING", "gift": True})
    client = sign_in(OPERATOR)

    properties = get("rule-properties", client, event="Order Completed").json()["options"]
    of_property = get("rule-values", client, event="Order Completed", property="gift").json()["options"]
    of_attribute = get("rule-values", client, kind="attribute", name="city").json()["options"]

    assert properties == [
        {"value": "coupon", "label": "coupon", "type": "text"}, {"value": "gift", "label": "gift", "type": "boolean"},
    ]  # fmt: skip
    assert of_property == [{"value": True, "label": "yes"}]
    assert of_attribute == [{"value": "Oslo", "label": "Oslo"}]
    assert get("rule-values", client, kind="segment", name="x").json() == {"options": []}


def test_values_are_masked_for_who_may_not_see_them():
    AttributeDefinitionFactory(key="name", is_pii=True)
    ProfileFactory(attributes={"name": "Ann"})

    assert get("rule-values", sign_in(VIEWER), kind="attribute", name="name").json() == {"options": []}


@pytest.mark.parametrize("page", ["rule-language", "rule-names", "rule-token"])
@pytest.mark.parametrize(("role", "status"), [(VIEWER, 403), (PRIVACY_OFFICER, 403), (OPERATOR, 200)])
def test_the_language_is_for_those_who_write_rules(page, role, status):
    assert get(page, sign_in(role), kind="event").status_code == status


def test_a_preview_names_some_people_and_how_many_more_there_are():
    for _n in range(12):
        ProfileFactory(attributes={"city": "Oslo", "name": "Ann"})

    answer = sign_in(OPERATOR).post(f"{BASE}rule-preview/", {"rule": json.dumps(lives_in("Oslo"))}).json()

    assert (answer["count"], answer["counted"], answer["more"]) == (12, "Matches 12 people now.", "and 2 more")
    assert [person["name"] for person in answer["people"]] == ["Ann"] * 10


def test_a_count_that_takes_too_long_says_so_and_the_sentence_stays(monkeypatch):
    def late(rule_json, *, now):
        raise preview.PreviewTimeout

    monkeypatch.setattr("profiles.admin.rule_builder.preview_rule", late)

    answer = sign_in(OPERATOR).post(f"{BASE}rule-preview/", {"rule": json.dumps(lives_in("Oslo"))}).json()

    assert answer["sentence"] == "City is “Oslo”"
    assert answer["late"].startswith("The count takes longer than 10 seconds.")


def test_what_would_make_a_circle_is_told_and_marked_at_its_place():
    SegmentFactory(key="loyal", name="Loyal")
    SegmentFactory(key="lively", rule={"op": "segment", "key": "loyal"})
    SegmentFactory(key="other")
    client = sign_in(OPERATOR)

    told = get("rule-language", client, of="segment:loyal").json()["barred"]
    assert told == {"segment:loyal": "is what you are editing", "segment:lively": "depends on what you are editing"}
    assert get("rule-language", client).json()["barred"] == {}

    rule = {"all": [lives_in("Oslo"), {"not": {"op": "segment", "key": "lively"}}, {"op": "segment", "key": "other"}]}
    asked = {"rule": json.dumps(rule)}
    answer = client.post(f"{BASE}rule-preview/", {**asked, "of": "segment:loyal"}).json()
    assert [problem["path"] for problem in answer["problems"]] == ["all[1].not.key"]
    assert "Loyal (segment:loyal)" in answer["problems"][0]["message"]
    assert client.post(f"{BASE}rule-preview/", {**asked, "of": "segment:new"}).json()["counted"]


@pytest.mark.parametrize("make", [SegmentFactory, TierSchemeFactory])
def test_a_form_tells_its_builder_whose_rule_it_is(make):
    thing = make(key="loyal")
    model = type(thing)._meta
    page = f"/admin/{model.app_label}/{model.model_name}"

    client = sign_in(OPERATOR)
    changing = client.get(f"{page}/{thing.pk}/change/").content.decode()
    adding = client.get(f"{page}/add/").content.decode()

    assert f'data-of="{"tier" if make is TierSchemeFactory else "segment"}:loyal"' in changing
    assert "data-of" not in adding
