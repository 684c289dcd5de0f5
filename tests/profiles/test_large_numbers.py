"""Numbers that 64 bits do not hold, on every way in and out: they keep their value and cost nobody anything."""

import base64
import json
import sys

import pytest

from profiles.ingest.process import process_batch
from profiles.models import Event, EventDefinition, RejectedMessage
from tags.services import compute_scores
from tests.clients import api_of
from tests.factories.profiles import AttributeDefinitionFactory, EventDefinitionFactory, SourceFactory
from tests.factories.segments import SegmentFactory
from tests.profiles.imports.files import NOW
from tests.profiles.ingest.messages import identify, profile_of, send, track
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db
SIGNED = {"Authorization": f"Basic {base64.b64encode(b'WK:').decode()}"}
LARGE = [1e20, 1e308, -1e20, 2.0**64]


@pytest.fixture
def shop():
    return SourceFactory(key="shop", write_key="WK")


@pytest.mark.parametrize("broken", ["", ', {"type": "track", "v": NaN}'], ids=["alone", "beside_a_broken_one"])
def test_a_number_of_any_length_is_taken_and_keeps_its_value(client, shop, broken):
    large = """{"type": "identify", "userId": "u1", "messageId": "m1", "traits": {
        "int64": -9223372036854775808, "uint64": 18446744073709551615, "plain": 7, "half": 2.5,
        "short": 18446744073709551616, "long": 1234567890123456789012345678, "exponent": 1e20,
        "negative": -100000000000000000000}}"""
    raw = f'{{"batch": [{large}{broken}]}}'

    answer = client.post("/v1/batch", raw, content_type="text/plain", headers=SIGNED)
    process_batch(now=NOW)

    assert answer.status_code == 200
    assert RejectedMessage.objects.count() == bool(broken)
    said = profile_of("user_id", "u1").attributes
    assert said == {
        "int64": -(2**63), "uint64": 2**64 - 1, "plain": 7, "half": 2.5,
        "short": 2.0**64, "long": 1.2345678901234568e27, "exponent": 1e20, "negative": -1e20,
    }  # fmt: skip
    assert {key for key, value in said.items() if isinstance(value, float)} == {
        "half", "short", "long", "exponent", "negative",
    }  # fmt: skip


def test_no_message_is_refused_whole_for_a_number_of_thousands_of_digits(client, shop):
    """It is beyond every float; the batch goes on without the message that holds it."""
    good = json.dumps(identify(user="u1", name="Ann"))
    raw = f'{{"batch": [{good}, {{"type": "identify", "userId": "u2", "traits": {{"v": {"1" * 5000}}}}}]}}'

    answer = client.post("/v1/batch", raw, content_type="text/plain", headers=SIGNED)
    process_batch(now=NOW)

    assert answer.status_code == 200
    assert profile_of("user_id", "u1").attributes == {"name": "Ann"}
    assert "NaN or an infinity" in RejectedMessage.objects.get().reason


@pytest.mark.parametrize("number", LARGE)
def test_every_answer_about_a_person_with_a_large_number_has_it(shop, number):
    send(shop, identify(user="u1", age=number), track("Paid", user="u1", at=1, total=number), identify(user="u2"))
    ann = profile_of("user_id", "u1")
    reader = api_of("admin")

    one = reader.send("get", f"profiles/{ann.public_id}/")
    page = reader.send("get", "profiles/?page_size=1000")
    events = reader.send("get", f"profiles/{ann.public_id}/events/")
    found = reader.send("post", "profiles/lookup/", {"identifiers": [{"kind": "user_id", "value": "u1"}]})
    named = reader.send("get", "profiles/?identifier=user_id:u1")

    assert one.json()["attributes"] == {"age": number}
    assert sorted(len(each["attributes"]) for each in page.json()["results"]) == [0, 1]
    assert events.json()["results"][0]["properties"] == {"total": number}
    assert str(found.json()).count(str(one.json()["id"])) == 1
    assert named.json()["results"][0]["attributes"] == {"age": number}


def test_ids_that_are_large_numbers_neither_name_anybody_nor_cost_the_message(shop):
    """Their last digits may be lost: as an identifier or a message id, one would be that of others too."""
    large = 12345678901234567890123.0
    group = {"type": "group", "groupId": large, "userId": "u1", "anonymousId": large, "messageId": large}
    again = {**group, "groupId": 7}

    processed = send(shop, group, again)

    assert (processed.n_messages, processed.n_rejected, processed.n_blocked, processed.n_events) == (2, 0, 2, 2)
    said = {event["groupId"] for event in Event.objects.values_list("properties", flat=True)}
    assert said == {"1.2345678901234568e+22", "7"}


def test_a_union_holds_each_large_number_once(shop):
    AttributeDefinitionFactory(key="marks", type="list", survivorship="union")

    first, second = identify(user="u1", marks=[1e20, 5.0, 2**64 - 1]), identify(user="u1", at=1, marks=[1e20, 5])
    processed = send(shop, first, second)

    assert processed.n_rejected == 0
    assert profile_of("user_id", "u1").attributes == {"marks": [2**64 - 1, 1e20, 5]}


@pytest.mark.parametrize("survivorship", ["max", "min", "first", "most_recent"])
def test_large_numbers_are_compared_with_others(shop, survivorship):
    AttributeDefinitionFactory(key="score", type="number", survivorship=survivorship)

    send(shop, identify(user="u1", score=1e20))
    send(shop, identify(user="u1", at=1, score="300000000000000000000"))
    send(shop, identify(user="u1", at=2, score=7))

    chosen = {"max": 3e20, "min": 7, "first": 1e20, "most_recent": 7}[survivorship]
    assert profile_of("user_id", "u1").attributes == {"score": chosen}


def test_numeric_text_of_thousands_of_zeros_is_its_number(shop):
    AttributeDefinitionFactory(key="score", type="number")

    processed = send(shop, identify(user="u1", score="0" * 5000 + "1"), identify(user="u2", score="9" * 400))

    assert processed.n_rejected == 0
    assert profile_of("user_id", "u1").attributes == {"score": 1}
    assert profile_of("user_id", "u2").attributes == {}


def test_a_schema_with_a_large_number_is_shown_and_used(shop):
    editor, schema = api_of("admin"), {"properties": {"total": {"maximum": 1e20}}}
    shop.schema_violations = "reject"
    shop.save()

    made = editor.send("post", "events/", {"name": "Paid", "schema": schema})
    processed = send(shop, track("Paid", user="u1", total=5), track("Paid", user="u1", total=1e21))

    assert made.status_code == 201
    assert editor.send("get", "events/Paid/").json()["schema"] == schema
    assert schema in [each["schema"] for each in editor.send("get", "events/?page_size=1000").json()["results"]]
    assert (processed.n_events, processed.n_rejected) == (1, 1)
    assert RejectedMessage.objects.get().reason == "properties.total: is greater than the maximum of 1e+20"


def test_a_schema_with_a_large_number_is_written_in_the_admin():
    operator = sign_in("operator")
    form = {"name": "Paid", "label": "", "category": "", "value_property": "", "value_sign": "1"}

    answer = operator.post(
        "/admin/profiles/eventdefinition/add/",
        {**form, "schema": '{"properties": {"total": {"maximum": %s}}}' % 10**20},
    )

    assert answer.status_code == 302
    made = EventDefinition.objects.get(name="Paid")
    assert made.schema == {"properties": {"total": {"maximum": 1e20}}}
    assert "1e+20" in operator.get(f"/admin/profiles/eventdefinition/{made.pk}/change/").content.decode()


@pytest.mark.parametrize("written", [1e30, 10**18, 2.0**64])
def test_a_rule_with_a_large_number_is_shown_and_its_version_stays(shop, written):
    send(shop, identify(user="u1", age=1e308), identify(user="u2", age=3))
    rule = {"op": "attribute", "key": "age", "is": "gt", "value": written}
    editor = api_of("operator")

    made = editor.send("post", "segments/", {"key": "old", "name": "Old", "rule": rule})
    again = editor.send("patch", "segments/old/", {"rule": rule})
    counted = editor.send("post", "segments/preview/", {"rule": rule})
    ann = profile_of("user_id", "u1").public_id

    assert made.status_code == 201
    assert (again.json()["rule"], again.json()["version"]) == (rule, made.json()["version"])
    assert editor.send("get", "segments/").json()["results"][0]["rule"] == rule
    assert counted.json()["count"] == 1
    assert editor.send("get", f"profiles/{ann}/explain/?segment=old").json()["matched"] is True


def test_a_rule_with_a_large_number_is_written_in_the_admin(shop):
    send(shop, identify(user="u1", age=1e308))
    segment = SegmentFactory(key="old", rule={"op": "attribute", "key": "age", "is": "gt", "value": 1e30})
    operator = sign_in("operator")

    page = operator.get(f"/admin/segments/segment/{segment.pk}/change/")
    written = json.dumps(segment.rule).replace("1e+30", str(10**30))
    preview = operator.post("/admin/profiles/profile/rule-preview/", {"rule": written})

    assert page.status_code == 200
    assert "1e+30" in page.content.decode()
    assert preview.json()["count"] == 1


def test_cells_with_large_numbers_are_imported(load, shop):
    mapping = {"identifiers": {"Card": "member_card"}, "traits": {"N": {"key": "n", "type": "number"}}}

    load("Card,N\nV1,100000000000000000000000\n", mapping, source=shop)
    rows = '{"Card": "V2", "N": 1234567890123456789012345678}\n{"Card": 12345678901234567890123, "N": 1}\n'
    lines = load(rows, mapping, name="file.ndjson", source=shop)
    again = load(rows, mapping, name="file.ndjson", source=shop)

    assert (lines.run.error, lines.counts["new"]) == ("", 2)
    assert again.counts["unchanged"] == 2
    assert profile_of("member_card", "V1").attributes == {"n": 1e23}
    assert profile_of("member_card", "V2").attributes == {"n": 1.2345678901234568e27}
    assert profile_of("member_card", "12345678901234567890123").attributes == {"n": 1}
    assert len(api_of("viewer").send("get", "profiles/").json()["results"]) == 3


def test_a_mapping_says_a_large_number_of_every_row(load, shop):
    mapping = {"identifiers": {"Card": "member_card"}, "constants": {"traits": {"n": 1e20}}}

    imported = load("Card\nV1\n", mapping, source=shop)

    assert (imported.run.error, imported.counts["new"]) == ("", 1)
    assert profile_of("member_card", "V1").attributes == {"n": 1e20}
    shown = api_of("operator").send("get", f"imports/{imported.pk}/")
    assert shown.json()["mapping"]["constants"] == {"traits": {"n": 1e20}}


@pytest.mark.parametrize("measure", ["sum", "avg", "max"])
@pytest.mark.parametrize("of", ["$value", "total"])
def test_what_is_counted_of_events_with_large_numbers_is_a_number(shop, measure, of):
    EventDefinitionFactory(name="Paid", value_property="total")
    send(shop, *(track("Paid", user="u1", at=n, total=1e308) for n in range(3)), track("Paid", user="u2", total=5))
    rule = {"op": "event", "name": "Paid", "measure": {measure: of}, "is": "gte", "value": 1e99}
    SegmentFactory(key="rich", rule=rule)
    reader = api_of("operator")

    counted = reader.send("post", "segments/preview/", {"rule": rule})
    why = reader.send("get", f"profiles/{profile_of('user_id', 'u1').public_id}/explain/?segment=rich")

    assert (counted.status_code, counted.json().get("count")) == (200, 1)
    assert (why.status_code, why.json().get("matched")) == (200, True)


def test_a_score_of_large_numbers_is_shown(shop):
    EventDefinition.objects.filter(name="Order Completed").update(value_property="total")
    send(shop, *(track("Order Completed", user="u1", at=n, total=1e308) for n in range(3)))
    compute_scores("rfm", now=NOW)

    shown = api_of("operator").send("get", f"profiles/{profile_of('user_id', 'u1').public_id}/")

    assert shown.json()["scores"]["rfm"]["monetary"] == sys.float_info.max
