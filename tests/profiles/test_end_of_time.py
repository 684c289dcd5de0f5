"""Moments at either end of the calendar, such as the "never ends" of other systems, on every way in and out."""

import pytest

from cdp.models import Run
from cdp.runs import execute_run
from profiles.models import AttributeDefinition, ProfileMoment
from tests.clients import api_of
from tests.factories.profiles import AttributeDefinitionFactory, SourceFactory
from tests.factories.segments import SegmentFactory
from tests.profiles.imports.files import NOW
from tests.profiles.ingest.messages import identify, profile_of, send
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db
NEVER = "9999-12-31T23:59:59Z"


@pytest.fixture
def shop():
    return SourceFactory(key="shop")


@pytest.mark.parametrize(
    ("written", "day"),
    [(NEVER, "9999-12-31"), ("9999-12-31T15:00:00Z", "9999-12-31"), ("0001-01-01T00:00:00Z", "0001-01-01")],
)
def test_it_is_a_day_and_the_message_says_what_else_it_says(shop, written, day):
    processed = send(shop, identify(user="u1", birthday=written, city="Oslo", consents={"sms": "granted"}))

    ann = profile_of("user_id", "u1")
    assert processed.n_rejected == 0
    assert ann.attributes == {"birthday": day, "city": "Oslo"}
    assert ann.consents.count() == 1
    assert ProfileMoment.objects.filter(profile=ann, definition__key="birthday").count() == 1


@pytest.mark.parametrize(
    ("written", "day"),
    [(NEVER, "9999-12-31"), ("9999-12-31", "9999-12-31"), ("99991231", "9999-12-31"), ("2958465.99", None)],
)
def test_a_cell_that_says_never_is_imported(load, written, day):
    mapping = {"identifiers": {"Card": "member_card"}, "traits": {"Day": {"key": "birthday", "type": "date"}}}

    imported = load(f"Card,Day\nV1,{written}\nV2,1990-05-01\n", mapping)

    assert (imported.run.error, imported.counts["new"]) == ("", 1 + bool(day))
    assert profile_of("member_card", "V2").attributes == {"birthday": "1990-05-01"}
    if day:
        assert profile_of("member_card", "V1").attributes == {"birthday": day}


@pytest.mark.parametrize(("type_", "ends"), [("date", "9999-12-31"), ("text", NEVER)])
def test_a_time_that_never_comes_becomes_of_another_type(shop, type_, ends):
    definition = AttributeDefinitionFactory(key="ends", type="datetime", survivorship="most_recent")
    send(shop, identify(user="u1", ends=NEVER), identify(user="u2", ends="2026-01-01T20:00:00Z"))
    fields = {"key": "ends", "label": "", "category": "", "survivorship": "most_recent", "type": type_}

    page = sign_in("operator").post(f"/admin/profiles/attributedefinition/{definition.pk}/change/", fields)
    answer = api_of("operator").send("patch", "attributes/ends/", {"type": type_})
    execute_run(Run.objects.get().pk, now=NOW)

    assert page.status_code == 200
    assert answer.status_code == 202
    assert Run.objects.get().error == ""
    assert AttributeDefinition.objects.get(key="ends").type == type_
    assert profile_of("user_id", "u1").attributes == {"ends": ends}


@pytest.mark.parametrize("type_", ["date", "datetime"])
def test_who_has_it_is_shown_and_found_by_rules(shop, type_):
    AttributeDefinitionFactory(key="ends", type=type_)
    send(shop, identify(user="u1", ends=NEVER), identify(user="u2", ends="2026-01-01T20:00:00Z"))
    ann = profile_of("user_id", "u1")
    reader = api_of("operator")
    conditions = [
        {"is": "after", "value": "2030-01-01"},
        {"is": "set"},
        {"is": "in_next", "value": {"days": 3_000_000}},
        {"is": "before", "value": "2030-01-01"},
        {"is": "anniversary_in_next", "value": {"days": 366}},
    ]
    rules = [{"op": "attribute", "key": "ends", **condition} for condition in conditions]

    for rule in rules:
        SegmentFactory(key=f"by-{rule['is'].replace('_', '-')}", rule=rule)
    counts = [reader.send("post", "segments/preview/", {"rule": rule}).json().get("count") for rule in rules]
    pages = [
        reader.send("get", f"profiles/{ann.public_id}/explain/?segment=by-{rule['is'].replace('_', '-')}").status_code
        for rule in rules
    ]

    assert counts == [1, 2, None, 1, 1]  # anniversaries are those of the years 1850 to 2150
    assert pages == [200] * 5
    shown = sign_in("operator").get(f"/admin/profiles/profile/{ann.pk}/change/")
    assert shown.status_code == 200
    assert "9999-12-31" in shown.content.decode()
    portrait = reader.send("get", "segments/by-set/breakdown/?by=attribute:ends")
    assert portrait.status_code == 200
