"""What a row says: whom it names, and by what."""

import io
import json
from decimal import Decimal

import pytest

from profiles.imports import readers
from profiles.models import Consent, Event, Identifier, Profile
from tests.profiles.ingest.messages import profile_of

pytestmark = pytest.mark.django_db

CARDS = ("622848001234567890", "622848001234567891", "622848001234567892")
ORDERS = ("12345678901234567890123456789", "12345678901234567890123456790", "12345678901234567890123456791")
MAPPING = {
    "identifiers": {"card": "member_card"},
    "event": "Order Completed",
    "message_id": ["order"],
    "time": {"constant": "2026-01-31"},
}


def as_ndjson():
    return "".join(f'{{"card": {card}, "order": {order}}}\n' for card, order in zip(CARDS, ORDERS, strict=True))


def as_parquet():
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    numbers = {
        name: arrow.array(map(Decimal, values), arrow.decimal128(38, 0))
        for name, values in {"card": CARDS, "order": ORDERS}.items()
    }
    file = io.BytesIO()
    parquet.write_table(arrow.table(numbers), file)
    return file.getvalue()


@pytest.mark.parametrize("content", [as_ndjson, as_parquet])
def test_long_numbers_name_one_each(load, content):
    import_ = load(content(), MAPPING)

    assert import_.counts == {"new": 3, "events": 3, "refused_rows": []}
    assert tuple(Identifier.objects.order_by("value").values_list("value", flat=True)) == CARDS


@pytest.mark.parametrize("number", ["622848001234567890.0", "6.2284800123456789e17", "9007199254740992.0"])
@pytest.mark.parametrize("column", ["card", "order"])
def test_a_number_that_lost_digits_names_nobody_and_nothing(load, number, column):
    cells = {"card": '"V1"', "order": "1"} | {column: number}

    import_ = load(f'{{"card": {cells["card"]}, "order": {cells["order"]}}}\n', MAPPING)

    assert import_.counts == {"refused": 1, "refused_rows": [f"1: {column}"]}
    assert b"whose last digits are lost" in import_.refused_file.read()
    assert (Profile.objects.count(), Event.objects.count()) == (0, 0)


@pytest.mark.parametrize("cell", ["6.22848E+17", "6,22848e+17", " 6.22848E17 ", "1E+18", "-1.5e+20"])
@pytest.mark.parametrize("column", ["card", "order"])
def test_a_number_that_a_spreadsheet_shortened_names_nobody_and_nothing(load, cell, column):
    cells = {"card": "V1", "order": "1"} | {column: cell}

    import_ = load(f"card;order\n{cells['card']};{cells['order']}\n", MAPPING)

    assert import_.counts == {"refused": 1, "refused_rows": [f"2: {column}"]}
    words = f"{column}: “{cell.strip()}” is a number that a spreadsheet shortened"
    assert words in import_.refused_file.read().decode()
    assert (Profile.objects.count(), Event.objects.count()) == (0, 0)


@pytest.mark.parametrize("card", ["622848E17", "5e10", "1E5", "12.5E+3", "+8613800138000", "E+17", "1.5"])
def test_what_only_looks_like_it_is_a_name(load, card):
    assert load(f"card;order\n{card};1.2.3\n", MAPPING).counts == {"new": 1, "events": 1, "refused_rows": []}


@pytest.mark.parametrize("value", ['["unknown"]', '[{"no": 7}]', "[]", "true", "[null, 5]"])
@pytest.mark.parametrize("column", ["card", "order"])
def test_what_is_no_text_and_no_number_names_nobody_and_nothing(load, value, column):
    cells = {"card": '"V1"', "order": "1"} | {column: value}

    import_ = load(f'{{"card": {cells["card"]}, "order": {cells["order"]}}}\n', MAPPING)

    assert import_.counts == {"refused": 1, "refused_rows": [f"1: {column}"]}
    assert "is not a text or a number, so it names nobody and nothing" in import_.refused_file.read().decode()
    assert (Profile.objects.count(), Event.objects.count()) == (0, 0)


def test_an_attribute_that_is_a_list_of_addresses_names_nobody_and_stays(load):
    mapping = {"identifiers": {"card": "member_card"}, "traits": {"emails": "email"}}

    import_ = load('{"card": "V1", "emails": ["ann@example.com", "ann@work.example"]}\n', mapping)

    assert import_.counts == {"new": 1, "refused_rows": []}
    assert list(Identifier.objects.values_list("value", flat=True)) == ["V1"]


@pytest.mark.parametrize("said", [{"name": "Cy"}, {"vip": "gold"}], ids=["nobody", "the last"])
def test_what_a_row_of_ndjson_leaves_out_is_empty(load, monkeypatch, said):
    """Also where the rows that the columns are told by all leave it out."""
    monkeypatch.setattr(readers, "HEADER_ROWS", 2)
    mapping = {"identifiers": {"card": "member_card"}, "traits": {"vip": "vip", "name": "name"}}
    people = {"V1": {"name": "Ann"}, "V2": {"name": "Bo"}, "V3": said}

    import_ = load("".join(json.dumps({"card": card, **each}) + "\n" for card, each in people.items()), mapping)

    assert import_.counts == {"new": 3, "refused_rows": []}
    assert {card: profile_of("member_card", card).attributes for card in people} == people


def test_a_list_of_objects_is_no_attribute_and_is_said(load):
    """As a property of an event it stays, in whatever shape it comes."""
    rows = [{"card": "V1", "vans": [{"size": 9}]}, {"card": "V2", "vans": [9, "9.5"]}, {"card": "V3", "vans": [None]}]
    content = "".join(f"{json.dumps(row)}\n" for row in rows)
    mapping = {"identifiers": {"card": "member_card"}, "traits": {"vans": "vans"}}

    people = load(content, mapping)
    events = load(content, {**MAPPING, "traits": {}, "message_id": ["card"], "properties": {"vans": "vans"}})

    assert people.counts == {"new": 1, "refused": 2, "refused_rows": ["1: vans", "3: vans"]}
    words = 'vans: “[{\\"size\\":9}]” is a list of more than texts and numbers: no attribute can hold it'
    assert words in people.refused_file.read().decode()
    assert profile_of("member_card", "V2").attributes == {"vans": [9, "9.5"]}
    assert (events.counts["events"], "refused" in events.counts) == (3, False)


TWICE = {
    "identifiers": {"card": "member_card"},
    "traits": {"home": "city", "work": "city"},
    "consents": {"mail": "email", "letters": "email"},
}


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ("Basel,Bern,,", "work: two columns say different things of “city”: “Basel” and “Bern”"),
        (",,no,yes", "letters: two columns say different things of “email”: “Denied” and “Granted”"),
    ],
)
def test_two_columns_that_contradict_each_other_refuse_their_row(load, cells, reason):
    """The last of them would win, and nobody would know: also over somebody's no."""
    import_ = load(f"card,home,work,mail,letters\nV1,{cells}\n", TWICE)

    assert import_.counts["refused"] == 1
    assert reason in import_.refused_file.read().decode()
    assert Profile.objects.count() == 0


@pytest.mark.parametrize("cells", ["Basel,Basel,no,no", "Basel,,no,", ",Basel,,no"])
def test_of_two_columns_for_one_thing_the_one_that_is_filled_counts(load, cells):
    load(f"card,home,work,mail,letters\nV1,{cells}\n", TWICE)

    assert Profile.objects.get().attributes == {"city": "Basel"}
    assert Consent.objects.get().state == Consent.State.DENIED


def test_a_column_that_says_that_nothing_is_there_gives_way_to_one_that_says_what(load):
    mapping = TWICE | {"traits": {"home": "city", "work": {"key": "city", "empty": "missing"}}}

    load("card,home,work,mail,letters\nV1,Basel,,,\n", mapping)

    assert Profile.objects.get().attributes == {"city": "Basel"}


def test_a_column_that_contradicts_the_value_for_all_rows_refuses_its_row(load):
    """The value for all rows would win, and what the file says would be lost."""
    mapping = {"identifiers": {"card": "member_card"}, "traits": {"home": "city"}}

    import_ = load("card,home\nV1,Bern\nV2,\nV3,Basel\n", mapping | {"constants": {"traits": {"city": "Basel"}}})

    assert (import_.counts["refused"], Profile.objects.count()) == (1, 2)
    reason = "home: says “Bern” of “city”, the value for all rows says “Basel”"
    assert reason in import_.refused_file.read().decode()
    assert profile_of("member_card", "V2").attributes == {"city": "Basel"}
    assert profile_of("member_card", "V3").attributes == {"city": "Basel"}


def test_a_property_that_contradicts_the_value_for_all_rows_refuses_its_row(load):
    mapping = {
        "identifiers": {"card": "member_card"},
        "event": "Order Completed",
        "time": {"constant": "2026-01-31"},
        "properties": {"shop": "shop", "n": {"key": "n", "type": "number"}},
        "constants": {"properties": {"shop": "Basel", "n": "2"}},
    }

    import_ = load("card,shop,n\nV1,Bern,2\nV2,,2\nV3,Basel,\n", mapping)

    assert (import_.counts["refused"], import_.counts["events"]) == (1, 2)
