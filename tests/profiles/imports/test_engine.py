"""Files, taken in: what becomes of their rows, and that twice is once."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import DataError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from profiles.imports.errors import ImportFileError
from profiles.imports.take import Taking
from profiles.models import (
    AttributeDefinition,
    Consent,
    Contribution,
    Event,
    EventDefinition,
    IdentityLink,
    InboxMessage,
    MessageKey,
    Profile,
)
from profiles.services.consents import Said, record_consents
from profiles.services.identity import merge_profiles
from profiles.services.imports import inspect_file, preview_rows
from tests.factories.cdp import UserFactory
from tests.factories.profiles import IdentifierFactory, SourceFactory
from tests.factories.tags import TagFactory
from tests.profiles.imports.files import MEMBERS, MEMBERS_MAPPING, NOW, SALES, SALES_MAPPING
from tests.profiles.ingest.messages import identify, people, profile_of, send

pytestmark = pytest.mark.django_db
FACTS = (Profile, Contribution, Consent, IdentityLink, MessageKey)


def facts():
    """Everything that an import writes of people."""
    return {model: list(model.objects.order_by("pk").values()) for model in FACTS} | {Event: Event.objects.count()}


def test_an_import_ends_when_its_last_row_is_done(load):
    import_ = load(MEMBERS, MEMBERS_MAPPING)

    assert import_.run.started_at < import_.ended_at < import_.run.ended_at


@pytest.mark.parametrize(
    ("mapping", "waits"),
    [
        ({}, False),
        ({"tags": [{"tag": "gold"}]}, True),
        ({"identifiers": {"Card": "member_card", "User": "user_id"}}, True),
    ],
    ids=["rows", "tags", "merge"],
)
def test_a_batch_waits_for_the_disk_where_it_writes_a_feed(load, mapping, waits):
    for kind_key, value in (("member_card", "VIP001"), ("user_id", "u1")):
        IdentifierFactory(kind_key=kind_key, value=value)
    TagFactory(key="gold")

    with CaptureQueriesContext(connection) as queries:
        import_ = load(
            "Card,User,City\nVIP001,u1,Oslo\n",
            {"identifiers": {"Card": "member_card"}, "traits": {"City": "city"}} | mapping,
        )

    assert import_.counts["changed"] == 1
    n_soon = sum("synchronous_commit" in query["sql"] for query in queries)
    assert n_soon == (1 if waits else 2)  # one is the progress of the run


def test_a_file_that_makes_more_attributes_than_there_is_room_for_is_refused_at_once(load, settings):
    """Else some of its columns would say nothing of anybody, and nobody would hear of it."""
    settings.MAX_DISCOVERED_ATTRIBUTES = 2
    mapping = {"identifiers": {"Card": "member_card"}, "traits": {"A": "a", "B": "b", "City": "address.city"}}
    text = "Card,A,B,C,City\nV1,1,2,3,上海\n"

    load(text, mapping)
    with pytest.raises(ImportFileError, match="would make 1 new attributes, and there is room for 0 more"):
        load(text, mapping | {"traits": {**mapping["traits"], "C": "c"}})

    assert load(text.replace("V1", "V2"), mapping).counts["new"] == 1
    assert not AttributeDefinition.objects.filter(key="c").exists()


def test_members_become_people_with_attributes_times_and_consents(load):
    import_ = load(MEMBERS, MEMBERS_MAPPING)

    assert import_.run.error == ""
    assert (import_.run.state, import_.run.done, import_.run.total) == ("succeeded", 4, 4)
    assert (import_.n_rows, import_.n_done, import_.is_complete) == (4, 4, True)
    assert import_.counts == {"new": 3, "refused": 1, "consents": 2, "passed_over": 2, "refused_rows": ["6: Phone"]}
    assert import_.run.counts == import_.counts
    assert people() == {
        frozenset({("member_card", "VIP001"), ("phone", "+8613800138000")}),
        frozenset({("member_card", "VIP002")}),
        frozenset({("member_card", "VIP003")}),
    }
    zhang = profile_of("member_card", "VIP001")
    assert zhang.attributes == {"name": "张三", "city": "上海"}
    assert zhang.first_seen_at == datetime(2025, 1, 30, 16, tzinfo=UTC)
    assert profile_of("member_card", "VIP002").attributes == {"name": "Li, Si"}
    assert profile_of("member_card", "VIP003").first_seen_at == datetime(2025, 2, 1, 9, 5, tzinfo=UTC)
    assert set(Consent.objects.values_list("profile__attributes__name", "state")) == {
        ("张三", "granted"),
        ("Li, Si", "denied"),
    }
    assert not InboxMessage.objects.exists()


@pytest.mark.parametrize(
    ("content", "mapping"), [(MEMBERS, MEMBERS_MAPPING), (SALES, SALES_MAPPING)], ids=["people", "events"]
)
def test_the_same_file_twice_changes_nothing(load, content, mapping):
    load(content, mapping)
    before = facts()

    again = load(content, mapping, name="again.csv")

    assert facts() == before
    assert again.counts.get("new", 0) == again.counts.get("changed", 0) == again.counts.get("events", 0) == 0
    assert again.counts["unchanged"] == 3


def test_sales_become_events_with_typed_properties_and_two_equal_rows_are_two(load):
    import_ = load(SALES, SALES_MAPPING)

    assert import_.counts == {"events": 3, "new": 1, "changed": 2, "refused_rows": []}
    at = datetime(2026, 1, 2, 9, tzinfo=UTC)
    assert list(
        Event.objects.order_by("value", "pk").values_list("occurred_at", "value", "properties", "import_id")
    ) == [
        (at, 1.0, {"total": 1, "item": "tea"}, import_.pk),
        (at, 99.5, {"total": 99.5, "item": "tea"}, import_.pk),
        (at, 99.5, {"total": 99.5, "item": "tea"}, import_.pk),
    ]


def test_a_file_without_a_header_has_numbered_columns_and_its_first_line_is_a_row(load):
    content = 'VIP001,Ann\n\nVIP002,"Bo,b"\n,Nobody\n'
    mapping = {"header": False, "identifiers": {"1": "member_card"}, "traits": {"2": "name"}}

    import_ = load(content, mapping)
    corrected = load(import_.refused_file.read().decode("utf-8-sig").replace(",,", ",VIP003,"), mapping)

    assert import_.counts == {"new": 2, "refused": 1, "refused_rows": ["4"]}
    assert corrected.counts == {"new": 1, "refused_rows": []}
    assert [profile_of("member_card", f"VIP00{n}").attributes["name"] for n in (1, 2, 3)] == ["Ann", "Bo,b", "Nobody"]


def test_columns_that_name_a_row_make_its_id(load):
    content = "No,Card,Event,Day\n1,VIP001,Visited,2026-01-02\n1,VIP001,Visited,2026-01-03\n2,VIP001,,2026-01-04\n"
    mapping = {
        "identifiers": {"Card": "member_card"},
        "event": {"column": "Event"},
        "time": "Day",
        "message_id": ["No"],
    }

    import_ = load(content, mapping)

    assert import_.counts == {
        "events": 1, "known_events": 1, "new": 1, "unchanged": 1, "refused": 1, "refused_rows": ["4"],
    }  # fmt: skip
    assert list(Event.objects.values_list("definition__name", "occurred_at")) == [
        ("Visited", datetime(2026, 1, 1, 16, tzinfo=UTC))
    ]


def test_the_members_of_next_month_bring_their_changes(load):
    load(MEMBERS, MEMBERS_MAPPING)
    changed = MEMBERS.replace("上海,2025/1/31", "杭州,2025/3/1")

    import_ = load(changed, MEMBERS_MAPPING, name="next.csv")

    assert (import_.counts["changed"], import_.counts["unchanged"]) == (1, 2)
    assert profile_of("member_card", "VIP001").attributes["city"] == "杭州"


def test_a_corrected_mapping_brings_what_was_missing(load):
    load(MEMBERS, MEMBERS_MAPPING | {"traits": {"Name": "name"}})

    load(MEMBERS, MEMBERS_MAPPING)

    assert profile_of("member_card", "VIP001").attributes == {"name": "张三", "city": "上海"}


@pytest.mark.parametrize("named", [{}, {"message_id": ["Receipt"]}], ids=["by row", "by column"])
def test_one_receipt_can_be_an_order_and_a_refund(load, named):
    content = "Receipt,Card,Amount,Day\nR1,VIP001,99.50,2026-01-02\n"
    mapping = {
        "identifiers": {"Card": "member_card"},
        "properties": {"Amount": {"key": "total", "type": "number"}},
        "time": "Day",
        **named,
    }

    load(content, mapping | {"event": "Order Completed"})
    load(content, mapping | {"event": "Order Refunded"})

    assert set(Event.objects.values_list("definition__name", "value")) == {
        ("Order Completed", 99.5),
        ("Order Refunded", -99.5),
    }


CITIES = "Card,City,SMS\nVIP001,{},yes\nVIP002,Oslo,no\n"
CITIES_MAPPING = {
    "identifiers": {"Card": "member_card"}, "traits": {"City": "city"}, "consents": {"SMS": "sms"},
}  # fmt: skip


def test_without_a_time_a_file_says_what_holds_when_it_comes(load, now):
    """Also where it goes back to what it once said."""
    days = [now.replace(day=day) for day in (1, 2, 3, 4)]
    cities = ["上海", "杭州", "杭州", "上海"]

    imports = [load(CITIES.format(city), CITIES_MAPPING, now=day) for city, day in zip(cities, days, strict=True)]

    counts = [{name: n for name, n in import_.counts.items() if name != "refused_rows"} for import_ in imports]
    changed = {"changed": 1, "known_words": 1, "unchanged": 1}
    assert counts == [{"new": 2, "consents": 2}, changed, {"unchanged": 2}, changed]
    assert profile_of("member_card", "VIP001").attributes == {"city": "上海"}
    assert Event.objects.count() == 4


TILL = "Card,Points,City,SMS\nVIP001,{},Oslo,yes\n"
TILL_MAPPING = {
    "identifiers": {"Card": "member_card"},
    "traits": {"Points": {"key": "points", "type": "number"}, "City": "city"},
    "consents": {"SMS": "sms"},
}


def test_without_a_time_a_row_that_differs_says_again_nothing_but_what_differs(load, now):
    """Else it would overrule what others, and the person, have said since."""
    days = [now.replace(day=day) for day in (1, 2, 3, 4)]
    load(TILL.format(10), TILL_MAPPING, now=days[0])
    customer = profile_of("member_card", "VIP001")
    withdrawn = Said(customer.pk, "sms", Consent.State.DENIED, days[1], "by phone")
    record_consents([withdrawn], user=UserFactory(), now=days[1])
    card = {"context": {"externalIds": [{"type": "member_card", "id": "VIP001"}]}}
    send(SourceFactory(), identify(user="u1", city="Bergen") | card | {"timestamp": days[1].isoformat()}, now=days[1])

    unchanged = load(TILL.format(10), TILL_MAPPING, now=days[2])
    changed = load(TILL.format(20), TILL_MAPPING, now=days[3])

    assert unchanged.counts == {"unchanged": 1, "refused_rows": []}
    assert changed.counts == {"changed": 1, "known_words": 2, "refused_rows": []}
    assert profile_of("member_card", "VIP001").attributes == {"points": 20, "city": "Bergen"}
    assert Consent.objects.in_force().get(profile=customer, channel="sms").state == "denied"
    assert [each.properties for each in Event.objects.filter(import_id=changed.pk)] == [{"points": 20}]


def test_without_a_time_the_other_half_of_a_batch_says_whole_what_a_refused_row_had_said(load, monkeypatch):
    """A row is compared with those before it in its batch, and anew where the batch is halved."""
    before = Taking.write

    def write(self, ready, *args, **kwargs):
        if any(message.traits.get("points") == 10 for message in ready.messages):
            raise DataError("out of range")
        return before(self, ready, *args, **kwargs)

    monkeypatch.setattr(Taking, "write", write)

    import_ = load(TILL.format(10) + "VIP001,20,Oslo,yes\n", TILL_MAPPING)

    assert import_.counts == {"refused": 1, "new": 1, "consents": 1, "refused_rows": ["2"]}
    assert profile_of("member_card", "VIP001").attributes == {"points": 20, "city": "Oslo"}


def test_without_a_time_the_later_of_two_rows_about_one_person_wins(load):
    content = CITIES.format("上海") + "VIP001,杭州,no\nVIP001,上海,no\n"

    import_ = load(content, CITIES_MAPPING)
    again = load(content, CITIES_MAPPING)

    assert import_.counts == {"new": 2, "changed": 2, "consents": 3, "known_words": 1, "refused_rows": []}
    assert profile_of("member_card", "VIP001").attributes == {"city": "上海"}
    assert Consent.objects.filter(profile=profile_of("member_card", "VIP001")).in_force().get().state == "denied"
    assert again.counts == {"unchanged": 4, "refused_rows": []}
    assert Event.objects.count() == 4


def test_an_identifier_that_a_limit_leaves_out_is_no_news_again(load):
    content = "User,Phone,Name\nu1,13800138000,Ann\nu2,13800138000,Bob\n"
    mapping = {"identifiers": {"User": "user_id", "Phone": "phone"}, "traits": {"Name": "name"}}
    load(content, mapping)
    before = facts()

    again = load(content, mapping)

    assert again.counts == {"unchanged": 2, "refused_rows": []}
    assert facts() == before


def test_a_mapping_can_leave_strangers_out(load):
    load(MEMBERS, MEMBERS_MAPPING)

    import_ = load(
        "Card,Level\nVIP001,gold\nVIP999,gold\n",
        {"identifiers": {"Card": "member_card"}, "traits": {"Level": "level"}, "people": "known"},
    )

    assert import_.counts == {"changed": 1, "refused": 1, "refused_rows": ["3"]}
    assert profile_of("member_card", "VIP001").attributes["level"] == "gold"
    assert "nobody has Member card VIP999 yet" in import_.refused_file.open().read().decode()
    assert Profile.objects.count() == 3


def test_the_value_of_a_new_event_counts(load):
    import_ = load(
        "Card,Balance\nVIP001,￥1，200.50\nVIP002,30\n",
        {
            "identifiers": {"Card": "member_card"},
            "event": "Balance Reported",
            "value": "Balance",
            "time": {"constant": "2026-05-31"},
        },
    )

    assert import_.counts == {"events": 2, "new": 2, "refused_rows": []}
    assert sorted(Event.objects.values_list("value", flat=True)) == [30, 1200.5]
    definition = EventDefinition.objects.get(name="Balance Reported")
    assert (definition.value_property, definition.is_discovered) == ("value", True)


def test_a_value_with_a_decimal_comma_has_the_format_that_says_so(load):
    sales = SALES.replace("99.50", "1.099,50 €").replace(";1;", ";0,125;")
    mapping = {**SALES_MAPPING, "event": "Sold", "properties": {}, "message_id": ["Receipt"]}

    refused = load(sales, mapping | {"value": "Amount"})
    taken = load(sales, mapping | {"value": {"column": "Amount", "format": "1.234,5"}})

    assert (refused.counts["refused"], b"the column has the format 1.234,5" in refused.refused_file.read()) == (3, True)
    assert taken.counts["refused_rows"] == []
    assert sorted(Event.objects.values_list("value", flat=True)) == [0.125, 1099.5]


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_file_plans_no_event(load, dry_run):
    """Not by its value either, and the check says what the import does."""
    mapping = SALES_MAPPING | {"event": "Sold", "value": "Amount"}

    import_ = load(SALES, mapping, source=SourceFactory(unplanned_events="reject"), dry_run=dry_run)

    assert import_.run.counts == {"refused": 3, "refused_rows": ["2", "3", "4"]}
    assert not EventDefinition.objects.filter(name="Sold").exists()


@pytest.mark.parametrize(
    ("language", "reasons"),
    [
        ("en", ["Shoe: “shoe_size” is not a planned attribute, and this source refuses others: make it planned, or "
                "leave the column out"]),
        ("zh-hans", ["Shoe: “shoe_size”不是已规划的属性，该数据源拒收其他属性：请将其设为已规划，或不导入该列"]),
    ],
)  # fmt: skip
def test_what_nobody_planned_is_said_at_its_column_in_the_readers_words(load, till, language, reasons):
    """It was English in any language, at no column, and the preview said that all rows would be taken in."""
    till.unplanned_attributes = "reject"
    till.save()
    mapping = {"identifiers": {"Card": "member_card"}, "traits": {"Shoe": "shoe_size"}}

    with translation.override(language):
        import_ = load("Card,Shoe\nVIP001,42\n", mapping, source=till)
        path = Path(import_.file.path)
        (row,) = preview_rows(path, mapping, facts=inspect_file(path), source=till, now=NOW)

    assert import_.counts["refused_rows"] == ["2: Shoe"]
    assert [str(problem) for problem in row.problems] == reasons
    assert reasons[0] in import_.refused_file.open().read().decode("utf-8-sig")


@pytest.mark.parametrize("amounts", [("much", "1"), ("1", "much")], ids=["bad first", "good first"])
def test_each_of_two_rows_with_one_receipt_is_compared_with_the_plan(load, amounts):
    EventDefinition.objects.filter(name="Order Completed").update(
        is_discovered=False, schema={"properties": {"total": {"pattern": "^[0-9]+$"}}}
    )
    mapping = SALES_MAPPING | {"properties": {"Amount": "total"}, "message_id": ["Receipt"]}
    content = "Receipt;Card;Amount;Day\n" + "".join(f"R1;VIP001;{amount};2026-01-02\n" for amount in amounts)

    import_ = load(content, mapping, source=SourceFactory(schema_violations="reject"))

    assert Event.objects.get().properties == {"total": "1"}
    assert import_.counts["refused"] == 1


def test_a_new_event_of_a_file_needs_room(load, settings):
    settings.MAX_DISCOVERED_EVENTS = 0

    import_ = load(SALES, SALES_MAPPING | {"event": "Sold", "value": "Amount"})

    assert import_.counts == {"refused": 3, "refused_rows": ["2", "3", "4"]}
    assert not EventDefinition.objects.filter(name="Sold").exists()


def test_a_row_that_the_database_refuses_is_found_and_the_others_are_taken(load, monkeypatch, caplog):
    from profiles.imports import take

    def write(ready, *arguments, **options):
        if any(message.properties.get("city") == "北京" for message in ready.messages):
            raise ValueError("no room for Beijing")
        return original(ready, *arguments, **options)

    original = take.write
    monkeypatch.setattr(take, "write", write)

    import_ = load(MEMBERS, MEMBERS_MAPPING)

    assert import_.counts == {
        "new": 2,
        "refused": 2,
        "consents": 2,
        "passed_over": 1,
        "refused_rows": ["5", "6: Phone"],
    }
    assert "could not be processed: ValueError: no room for Beijing" in import_.refused_file.open().read().decode()
    assert "row 3 was refused" in caplog.text


def test_whom_a_merge_moves_between_the_plan_and_the_writing_is_found(load, monkeypatch, now):
    from profiles.imports import take

    def claim(messages, events):
        merge_profiles([ann.pk, anna.pk], user=None, now=now)
        return original(messages, events)

    ann, anna = (
        IdentifierFactory(kind_key="member_card", value=card, profile__first_seen_at=now - age).profile
        for card, age in (("VIP001", timedelta(days=2)), ("VIP002", timedelta(days=1)))
    )
    original = take.claim
    monkeypatch.setattr(take, "claim", claim)

    import_ = load(
        "Card,Amount\nVIP002,5\nVIP001,6\nVIP003,7\n",
        {
            "identifiers": {"Card": "member_card"},
            "event": "Paid",
            "value": "Amount",
            "time": {"constant": "2026-01-02"},
        },
    )

    assert import_.counts == {"events": 3, "changed": 2, "new": 1, "refused_rows": []}
    assert sorted(Event.objects.filter(profile=ann).values_list("value", flat=True)) == [5, 6]
    assert sorted(Event.objects.exclude(profile=ann).values_list("value", flat=True)) == [7]


def test_kinds_that_change_meanwhile_count_from_the_next_batch(load, monkeypatch):
    from profiles.imports import engine
    from profiles.models import IdentifierKind

    class ReadBefore(engine.ReadAhead):
        def __next__(self):
            batch = super().__next__()
            IdentifierKind.objects.filter(key="member_card").update(blocked_values=["VIP001"])
            return batch

    monkeypatch.setattr(engine, "ReadAhead", ReadBefore)
    monkeypatch.setattr(engine, "BATCH_ROWS", 1)

    import_ = load(
        "Card,Name\nVIP001,Ann\nVIP002,Bob\n", {"identifiers": {"Card": "member_card"}, "traits": {"Name": "name"}}
    )

    assert import_.counts == {"new": 1, "refused": 1, "refused_rows": ["2: Card"]}


def test_a_limit_that_is_lowered_meanwhile_binds_from_the_next_batch(load, monkeypatch):
    from profiles.imports import engine
    from profiles.models import IdentifierKind

    def take_in(*args):
        original(*args)
        IdentifierKind.objects.filter(key="member_card").update(limit_per_profile=1)

    original = engine.take_in
    monkeypatch.setattr(engine, "take_in", take_in)
    monkeypatch.setattr(engine, "BATCH_ROWS", 1)

    import_ = load(
        "User,Card,Name\nu1,VIP001,Ann\nu1,VIP002,Ann\n",
        {"identifiers": {"User": "user_id", "Card": "member_card"}, "traits": {"Name": "name"}},
    )

    assert import_.counts == {"new": 1, "changed": 1, "known_words": 1, "refused_rows": []}
    assert people() == {
        frozenset({("user_id", "u1"), ("member_card", "VIP001")}),
        frozenset({("member_card", "VIP002")}),
    }


def test_a_row_that_is_tried_again_in_a_half_gives_each_reason_once(load, monkeypatch):
    from profiles.imports import take

    def write(ready, *arguments, **options):
        if any(message.properties.get("Item") == "poison" for message in ready.messages):
            raise ValueError("poison")
        return original(ready, *arguments, **options)

    original = take.write
    monkeypatch.setattr(take, "write", write)
    mapping = SALES_MAPPING | {"event": {"column": "Kind"}, "properties": {"Item": "Item"}, "message_id": ["Receipt"]}
    content = "Receipt;Kind;Card;Item;Day\n" + "".join(
        f"R{n};{kind};VIP001;{item};2026-01-02\n"
        for n, (kind, item) in enumerate([("Bought", "tea"), ("Sold", "tea"), ("Bought", "poison"), ("Bought", "tea")])
    )
    EventDefinition.objects.create(name="Bought")

    import_ = load(content, mapping, source=SourceFactory(unplanned_events="reject"))

    assert import_.counts == {"events": 2, "new": 1, "changed": 1, "refused": 2, "refused_rows": ["3: Kind", "4"]}
    reasons = [line.split(";")[1] for line in import_.refused_file.open().read().decode("utf-8-sig").splitlines()]
    assert reasons == [
        "strata_reason",
        "Kind: “Sold” is not a planned event, and this source refuses others: make it planned, or correct it",
        "could not be processed: ValueError: poison",
    ]
