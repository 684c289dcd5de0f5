"""Tags by score and by import: how they are set, shown and filled, and what no hand may do to them."""

import pytest
from django.core.exceptions import ValidationError

from cdp.models import Run
from profiles.imports.targets import all_targets
from tags.bands import Band, band_of
from tags.models import BulkTagging, Tag, TagAssignment, TagValue
from tags.services import assign_tag, save_tag
from tests.clients import api_of
from tests.factories.profiles import SEEN_AT, ProfileFactory
from tests.factories.tags import ScoreFactory, TagFactory
from tests.profiles.refresh.shorthand import full
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db
SPEND = {
    "key": "spend",
    "name": "Spend",
    "kind": "score",
    "score": {"model": "rfm", "field": "monetary"},
    "values": [
        {"key": "big", "name": "Big", "band": {"from": 500}},
        {"key": "small", "name": "Small", "band": {"from": 100, "to": 500}},
    ],
}
BIG = {"op": "score", "model": "rfm", "field": "monetary", "is": "gte", "value": 500.0}


@pytest.mark.parametrize(
    "band",
    [
        Band("rfm", "m", 1, 3),
        Band("rfm", "m", start=4),
        Band("rfm", "m", end=2),
        Band("rfm", "m"),
        Band("rfm", "class", among=("111", "101")),
    ],
)
def test_a_band_is_read_from_its_rule(band):
    assert band_of(band.rule) == band


@pytest.mark.parametrize(
    "rule", [None, {"op": "tag", "key": "vip"}, {"all": [Band("rfm", "m", 1).rule, Band("rfm", "f", end=3).rule]}]
)
def test_another_rule_is_no_band(rule):
    assert band_of(rule) is None


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"key": "s", "name": "S", "kind": "manual", "score": SPEND["score"]}, "score"),
        ({"key": "s", "name": "S", "score": SPEND["score"]}, "score"),
        (
            {**SPEND, "key": "s", "values": [{"key": "a", "name": "A", "band": {"from": 1, "in": ["111"]}}]},
            "values[0].band.in",
        ),
    ],
)
def test_what_a_kind_does_not_have_is_refused(body, path):
    answer = api_of("operator").send("post", "tags/", body)

    assert (answer.status_code, [error["path"] for error in answer.json()["errors"]]) == (400, [path])
    assert not Tag.objects.exists()


def test_another_score_comes_with_its_bands():
    api = api_of("operator")
    api.send("post", "tags/", SPEND)
    often = {"model": "rfm", "field": "frequency"}

    alone = api.send("patch", "tags/spend/", {"score": often})
    same = api.send("patch", "tags/spend/", {"score": SPEND["score"]})
    both = api.send("patch", "tags/spend/", {"score": often, "values": SPEND["values"]})

    assert (alone.status_code, alone.json()["errors"][0]["path"]) == (400, "score")
    assert (same.status_code, same.json()["version"]) == (200, 1)
    assert (both.status_code, both.json()["score"], both.json()["version"]) == (200, often, 2)


def test_a_tag_by_score_is_made_and_filled_over_http():
    api = api_of("operator")
    ann, bo, cleo = (ScoreFactory(values={"monetary": n}).profile for n in (500, 499.99, 99))

    made = api.send("post", "tags/", SPEND).json()
    full("tag:spend", now=SEEN_AT)
    now = api.send("get", "tags/spend/").json()
    again = api.send("patch", "tags/spend/", now | {"name": "Money"}).json()

    assert (made["kind"], made["score"], made["rule"]) == ("score", SPEND["score"], None)
    assert made["values"] == [
        {"key": "big", "name": "Big", "rule": BIG, "band": {"from": 500.0, "to": None}},
        {
            "key": "small",
            "name": "Small",
            "rule": {"all": [BIG | {"value": 100.0}, BIG | {"is": "lt"}]},
            "band": {"from": 100.0, "to": 500.0},
        },
    ]
    assert (again["name"], again["values"], again["version"]) == ("Money", made["values"], 1)
    assert dict(TagAssignment.objects.values_list("profile", "value__key")) == {ann.pk: "big", bo.pk: "small"}
    assert Run.objects.get().subject == "tag:spend"
    assert not TagAssignment.objects.filter(profile=cleo).exists()


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        ({"values": []}, "values"),
        ({"score": None}, "values[0].band"),
        ({"score": {"model": "rfm"}}, "score.field"),
        ({"score": {"model": "none", "field": "m"}}, "values[0].rule.model"),
        ({"score": {"model": "rfm", "field": "none"}}, "values[0].rule.field"),
        ({"score": {"model": "rfm", "field": "class"}}, "values[0].rule.is"),
        ({"values": [{"key": "a", "name": "A"}]}, "values[0].band"),
        ({"values": [{"key": "a", "name": "A", "rule": {"op": "tag", "key": "x"}}]}, "values[0].rule.key"),
        ({"values": [{"key": "a", "name": "A", "band": {"from": 3, "to": 3}}]}, "values[0].band"),
        ({"values": [{"key": "a", "name": "A", "band": {"from": "x"}}]}, "values[0].band.from"),
        ({"values": [{"key": "a", "name": "A", "band": {"above": 3}}]}, "values[0].band.above"),
        ({"values": [{"key": k, "name": k, "band": {"from": 1}} for k in "ab"]}, "values[1].band"),
        ({"values": [{"key": k, "name": k, "band": {"in": ["111"]}} for k in "ab"]}, "values[1].band"),
        ({"expires_after_days": 3}, "expires_after_days"),
        ({"kind": "rule", "score": None}, "values[0].band"),
    ],
)
def test_what_are_no_bands_is_refused(changed, path):
    answer = api_of("operator").send("post", "tags/", SPEND | changed).json()

    assert answer["status"] == 400
    assert path in [error["path"] for error in answer["errors"]]
    assert not Tag.objects.exists()


@pytest.mark.parametrize("kind", ["score", "imported"])
def test_no_hand_puts_it_on_or_takes_it_off(kind):
    tag = TagFactory(key="spend", kind=kind)
    body = {"profiles": [str(ProfileFactory().public_id)]}
    api = api_of("operator")

    answers = [
        api.send("post", "tags/spend/assignments/", body),
        api.send("delete", "tags/spend/assignments/", body),
        api.send("post", "tags/spend/bulk/", body | {"action": "assign"}),
    ]
    with pytest.raises(ValidationError, match="not by hand"):
        assign_tag(tag, [ProfileFactory().pk], now=SEEN_AT)

    assert [answer.status_code for answer in answers] == [409, 409, 409]
    page = sign_in("operator").post(f"/admin/tags/tag/{tag.pk}/people/", {"what": "assign", "choice": f"{tag.pk}:"})
    assert "not by hand" in page.content.decode()
    assert not TagAssignment.objects.exists()
    assert not BulkTagging.objects.exists()


def test_a_tag_by_import_has_no_rules_and_keeps_values_that_are_carried():
    tag = Tag(key="card", name="Card", kind="imported")
    with pytest.raises(ValidationError, match="by import has no rules"):
        save_tag(tag, values=[TagValue(key="a", name="A", rule=BIG)])
    save_tag(tag, values=[TagValue(key="a", name="A")])
    TagAssignment.objects.create(tag=tag, value=tag.values.get(), profile=ProfileFactory(), assigned_at=SEEN_AT)

    with pytest.raises(ValidationError, match="1 profile"):
        save_tag(tag, values=[])
    assert not Run.objects.exists()


def test_a_file_fills_a_tag_by_import():
    TagFactory(key="card", kind="imported")
    TagFactory(key="spend", kind="score")

    class Reporter:
        problems = []

        def problem(self, path, message):
            self.problems.append((path, message))

    reporter = Reporter()
    checked = all_targets()["tags"].check([{"tag": "card"}, {"tag": "spend"}], reporter, zone=None)

    assert [(said.tag_id) for said in checked.read({})] == [Tag.objects.get(key="card").pk]
    assert [path for path, _message in reporter.problems] == ["[1].tag"]


def form(**values):
    return {
        "name": "Spend", "key": "spend", "kind": "score", "lifecycle": "draft", "score": "rfm.monetary", "rule": "",
        "values-TOTAL_FORMS": "2", "values-INITIAL_FORMS": "0", "values-MIN_NUM_FORMS": "0",
        "values-MAX_NUM_FORMS": "1000",
        "values-0-name": "Big", "values-0-key": "big", "values-0-position": "0", "values-0-band_from": "500",
        "values-1-name": "Small", "values-1-key": "small", "values-1-position": "1", "values-1-band_to": "500",
    } | values  # fmt: skip


def test_the_form_makes_bands_and_shows_them():
    client = sign_in("operator")

    client.post("/admin/tags/tag/add/", form())
    tag = Tag.objects.get()
    page = client.get(f"/admin/tags/tag/{tag.pk}/change/").content.decode()
    viewed = sign_in("viewer").get(f"/admin/tags/tag/{tag.pk}/change/").content.decode()

    assert [band_of(value.rule) for value in tag.values.order_by("position")] == [
        Band("rfm", "monetary", start=500.0),
        Band("rfm", "monetary", end=500.0),
    ]
    assert 'value="500"' in page
    assert 'name="values-0-rule"' not in page
    assert "net spend of RFM" in viewed


def test_the_form_says_what_is_missing_and_overlaps():
    client = sign_in("operator")

    without = client.post("/admin/tags/tag/add/", form(score="")).content.decode()
    overlapping = client.post("/admin/tags/tag/add/", form(**{"values-1-band_to": "501"})).content.decode()

    assert "This field is required." in without
    assert "“Big” and “Small” overlap" in overlapping
    assert not Tag.objects.exists()


def test_a_rule_that_stands_in_a_hidden_field_is_not_meant():
    client = sign_in("operator")

    client.post("/admin/tags/tag/add/", form(kind="manual", rule="{broken", **{"values-TOTAL_FORMS": "0"}))

    assert (Tag.objects.get().kind, Tag.objects.get().rule) == ("manual", None)
