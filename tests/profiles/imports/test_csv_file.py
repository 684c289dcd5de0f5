"""CSV files: whole or not at all, and twice is once."""

import json
from datetime import UTC, datetime
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from cdp.models import Run
from profiles.imports.csv_file import import_csv
from profiles.imports.errors import ImportFileError
from profiles.ingest.process import process_batch
from profiles.models import Consent, Contribution, Event, InboxMessage, Profile, RejectedMessage
from tests.factories.profiles import SourceFactory
from tests.profiles.ingest.messages import people, profile_of

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 6, 1, tzinfo=UTC)

MEMBERS = """Card,Phone,Name,City,Joined,SMS
VIP 001,138 0013 8000,张三,上海,2025/1/31,yes
VIP 002,null,"Li, Si",,2025-02-01 09:05,0

VIP 003,000,Wang,北京,2025-02-01T09:05:00Z,
,000,Nobody,,2025-02-01,1
"""
MEMBERS_MAPPING = {
    "identifiers": {"Card": "member_card", "Phone": "phone"},
    "traits": {"Name": "name", "City": "city"},
    "consents": {"SMS": "sms"},
    "time": "Joined",
}
SALES = """Receipt;Card;Amount;Item
R1;VIP001;99.50;tea
R1;VIP001;99.50;tea
R2;VIP001;1;tea
"""


@pytest.fixture
def till():
    return SourceFactory(key="till")


@pytest.fixture
def load(till, tmp_path):
    """Import a text (or bytes) as a file and process the inbox; returns the run."""

    def load(text, mapping, name="file.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        run = Run.objects.create(kind="import", subject="till")
        import_csv(path, source=till, mapping=mapping, run=run, now=NOW)
        while process_batch(now=NOW).n_messages:
            pass
        return run

    return load


def test_members_become_people_with_traits_times_and_consents(load):
    run = load(MEMBERS, MEMBERS_MAPPING)

    assert (run.done, run.total) == (4, 4)
    assert run.counts == {
        "rows": 4,
        "messages": 3,
        "known": 0,
        "skipped": 1,
        "skipped_rows": ["line 6, column Phone: not a usable phone"],
    }
    assert people() == {
        frozenset({("member_card", "VIP001"), ("phone", "+8613800138000")}),
        frozenset({("member_card", "VIP002")}),
        frozenset({("member_card", "VIP003")}),
    }
    zhang = profile_of("member_card", "VIP001")
    assert zhang.attributes == {"name": "张三", "city": "上海"}
    assert zhang.first_seen_at == datetime(2025, 1, 30, 16, tzinfo=UTC)
    assert profile_of("member_card", "VIP002").attributes == {"name": "Li, Si"}
    assert profile_of("member_card", "VIP002").first_seen_at == datetime(2025, 2, 1, 1, 5, tzinfo=UTC)
    assert profile_of("member_card", "VIP003").first_seen_at == datetime(2025, 2, 1, 9, 5, tzinfo=UTC)
    assert set(Consent.objects.values_list("profile__attributes__name", "state")) == {
        ("张三", "granted"),
        ("Li, Si", "denied"),
    }
    assert not RejectedMessage.objects.exists()


def test_the_same_file_twice_changes_nothing(load):
    load(MEMBERS, MEMBERS_MAPPING)
    before = (list(Profile.objects.values()), list(Contribution.objects.values()), Event.objects.count())

    run = load(MEMBERS, MEMBERS_MAPPING, name="again.csv")

    assert (run.counts["messages"], run.counts["known"]) == (0, 3)
    after = (list(Profile.objects.values()), list(Contribution.objects.values()), Event.objects.count())
    assert after == before


def test_sales_become_events_with_typed_properties(load):
    text = SALES.replace("Item\n", "Item;Day\n").replace("tea\n", "tea;2026-01-02 10:00\n")

    load(
        text,
        {
            "identifiers": {"Card": "member_card"},
            "event": "Order Completed",
            "properties": {"Amount": {"key": "total", "type": "number"}, "Item": "item"},
            "time": "Day",
            "timezone": "Europe/Oslo",
            "delimiter": ";",
        },
    )

    events = list(Event.objects.order_by("value").values_list("occurred_at", "value", "properties"))
    at = datetime(2026, 1, 2, 9, tzinfo=UTC)
    assert events == [
        (at, 1.0, {"total": 1, "item": "tea"}),
        (at, 99.5, {"total": 99.5, "item": "tea"}),
        (at, 99.5, {"total": 99.5, "item": "tea"}),
    ]


def test_columns_that_name_a_row_make_its_id(load):
    text = "No,Card,Event,Day\n1,VIP001,Visited,2026-01-02\n1,VIP001,Visited,2026-01-03\n2,VIP001,,2026-01-04\n"

    run = load(
        text,
        {
            "identifiers": {"Card": "member_card"},
            "event": {"column": "Event"},
            "time": "Day",
            "message_id": ["No"],
        },
    )

    assert run.counts == {
        "rows": 3,
        "messages": 1,
        "known": 1,
        "skipped": 1,
        "skipped_rows": ["line 4: says nothing"],
    }
    assert Event.objects.count() == 1


def test_the_members_of_next_month_bring_their_changes(load):
    load(MEMBERS, MEMBERS_MAPPING)
    changed = MEMBERS.replace("上海,2025/1/31", "杭州,2025/3/1")

    run = load(changed, MEMBERS_MAPPING, name="next.csv")

    assert (run.counts["messages"], run.counts["known"]) == (1, 2)
    assert profile_of("member_card", "VIP001").attributes["city"] == "杭州"


def test_a_corrected_mapping_brings_what_was_missing(load):
    load(MEMBERS, MEMBERS_MAPPING | {"traits": {"Name": "name"}})

    load(MEMBERS, MEMBERS_MAPPING)

    assert profile_of("member_card", "VIP001").attributes == {"name": "张三", "city": "上海"}


@pytest.mark.parametrize("named", [{}, {"message_id": ["Receipt"]}])
def test_one_receipt_can_be_an_order_and_a_refund(load, named):
    text = "Receipt,Card,Amount,Day\nR1,VIP001,99.50,2026-01-02\n"
    mapping = {
        "identifiers": {"Card": "member_card"},
        "properties": {"Amount": {"key": "total", "type": "number"}},
        "time": "Day",
        **named,
    }

    load(text, mapping | {"event": "Order Completed"})
    load(text, mapping | {"event": "Order Refunded"})

    assert set(Event.objects.values_list("definition__name", "value")) == {
        ("Order Completed", 99.5),
        ("Order Refunded", -99.5),
    }


def test_only_the_first_skipped_rows_are_named(load):
    rows = "".join(f"VIP {n},,,,2025-01-01,\n" for n in range(15)) + ",,Ann,,2025-01-01,\n" * 15

    counts = load("Card,Phone,Name,City,Joined,SMS\n" + rows, MEMBERS_MAPPING).counts

    assert (counts["skipped"], len(counts["skipped_rows"])) == (30, 20)
    assert counts["skipped_rows"][0] == "line 2: says nothing"
    assert counts["skipped_rows"][-1] == "line 21, nothing in column Card, Phone"


@pytest.mark.parametrize(("encoding", "declared"), [("utf-8-sig", "utf-8"), ("utf-8", "UTF-8"), ("gb18030", "GBK")])
def test_both_encodings_are_read(load, encoding, declared):
    load(MEMBERS.encode(encoding), MEMBERS_MAPPING | {"encoding": declared})

    assert profile_of("member_card", "VIP001").attributes["name"] == "张三"


BAD_FILES = [
    (MEMBERS.encode("gb18030"), {}, 'line 2, byte 23: 0xd5 is not utf-8; if the file is gb18030, write "encoding"'),
    (MEMBERS.encode("utf-16"), {}, "this is UTF-16; save it as UTF-8"),
    (MEMBERS.encode() + b"VIP 004,,Ann,\xff,,\n", {"encoding": "gb18030"}, "line "),
    (b"", {}, "the file is empty"),
    (MEMBERS + "VIP 004,138\n", {}, "line 7: 2 cells, where the header has 6"),
    (MEMBERS + 'VIP 004,138,"Ann\n', {}, "line 7: unexpected end of data"),
    (MEMBERS + 'VIP 004,138,"Ann"x,,,\n', {}, "line 7: ',' expected after '\"'"),
    (MEMBERS + "VIP 004,,Ann,,31.01.2025,\n", {}, "line 7, column 'Joined': '31.01.2025' is not a time"),
    (MEMBERS + "VIP 004,,Ann,,2025-02-30,\n", {}, "line 7, column 'Joined': '2025-02-30' is not a time"),
    (MEMBERS + "VIP 004,,Ann,,2027-01-01,\n", {}, "line 7: time 2026-12-31T16:00:00+00:00 is more than 24 hours ahead"),
    (MEMBERS + "VIP 004,,Ann,,2025-01-01,maybe\n", {}, "line 7, column 'SMS': 'maybe' is not true or false"),
    (MEMBERS + "VIP 004,,A\0n,,2025-01-01,\n", {}, "line 7: holds a NUL character"),
    (
        MEMBERS,
        {"traits": {"Town": "city"}},
        "line 1: no column 'Town'; there are: Card, Phone, Name, City, Joined, SMS",
    ),
    ("Card,Card,Name,City,Joined,SMS,Phone\n", {}, "line 1: column 'Card' is there 2 times"),
    (MEMBERS, {"message_id": ["Card"], "event": "Joined"}, "line 6: nothing in column Card"),
    (
        MEMBERS,
        {"traits": {"Name": {"key": "n", "type": "number"}}},
        "line 2, column 'Name': '张三' is not a number",
    ),
]


@pytest.mark.parametrize(("text", "changes", "problem"), BAD_FILES, ids=[problem[:40] for *_, problem in BAD_FILES])
def test_a_bad_file_is_named_by_place_and_nothing_is_taken(load, text, changes, problem):
    with pytest.raises(ImportFileError) as error:
        load(text, MEMBERS_MAPPING | changes)

    assert "file.csv: " in str(error.value)
    assert problem in str(error.value)
    assert not InboxMessage.objects.exists()
    assert not Profile.objects.exists()


BAD_MAPPINGS = [
    ([], "not a JSON object"),
    ({}, '"identifiers" is missing'),
    ({"identifiers": {}}, '"identifiers" is missing'),
    (MEMBERS_MAPPING | {"colour": 1}, "unknown key 'colour'; known: identifiers, traits"),
    (
        MEMBERS_MAPPING | {"identifiers": {"Card": "carte"}},
        "unknown kind 'carte' for column 'Card'; known: anonymous_id",
    ),
    ({"identifiers": {"Card": "member_card"}}, '"traits", "consents" and "event" are all missing'),
    ({"identifiers": {"Card": "member_card"}, "event": "Visited"}, '"time" is missing'),
    (MEMBERS_MAPPING | {"properties": {"City": "city"}}, '"properties" need an "event"'),
    (MEMBERS_MAPPING | {"event": 7}, '"event" is neither a name nor'),
    (MEMBERS_MAPPING | {"traits": ["Name"]}, '"traits" is not an object of columns'),
    (MEMBERS_MAPPING | {"traits": {"Name": 7}}, "column 'Name' needs a text or"),
    (MEMBERS_MAPPING | {"traits": {"Name": {"key": "n", "type": "colour"}}}, "unknown type 'colour'; known: text"),
    (
        MEMBERS_MAPPING | {"consents": {"SMS": "text message"}},
        "channel 'text message' of column 'SMS' is not known; known: email, sms",
    ),
    (MEMBERS_MAPPING | {"traits": {"Name": "n" * 201}}, "the key of column 'Name' is over 200 characters"),
    (MEMBERS_MAPPING | {"timezone": "Mars"}, "'Mars' is no time zone"),
    (MEMBERS_MAPPING | {"timezone": "../x"}, "'../x' is no time zone"),
    (MEMBERS_MAPPING | {"encoding": "latin-1"}, "'latin-1' is not known; known: utf-8, gb18030"),
    (MEMBERS_MAPPING | {"delimiter": ", "}, "is not one character"),
    (MEMBERS_MAPPING | {"message_id": ["Card"]}, '"message_id" names an "event"'),
    (MEMBERS_MAPPING | {"message_id": "Card"}, '"message_id" is not a list of columns'),
]


@pytest.mark.parametrize(("mapping", "problem"), BAD_MAPPINGS, ids=[problem[:40] for _, problem in BAD_MAPPINGS])
def test_a_bad_mapping_is_named_by_its_key(load, mapping, problem):
    with pytest.raises(ImportFileError) as error:
        load(MEMBERS, mapping)

    assert str(error.value).startswith("mapping: ")
    assert problem in str(error.value)


@pytest.fixture
def files(tmp_path, till):
    (tmp_path / "members.csv").write_text(MEMBERS)
    (tmp_path / "mapping.json").write_text(json.dumps(MEMBERS_MAPPING))
    return tmp_path


def command(folder, file="members.csv", source="till", mapping="mapping.json"):
    out = StringIO()
    call_command("import_csv", str(folder / file), source=source, mapping=folder / mapping, stdout=out)
    return out.getvalue()


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_the_command_imports_as_a_run(files):
    said = command(files)

    run = Run.objects.get()
    assert (run.kind, run.subject, run.state, run.percent) == ("import", "till", "succeeded", 100)
    assert "rows 4, messages 3, known 0, skipped 1\n  skipped: line 6, column Phone: not a usable phone\n" in said
    assert InboxMessage.objects.count() == 3


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_the_command_says_what_is_wrong(files, caplog):
    (files / "broken.csv").write_text(MEMBERS + "VIP 004,138\n")
    (files / "broken.json").write_text("{")

    for arguments, problem in [
        ({"source": "tilt"}, "No enabled source 'tilt'; there are: till"),
        ({"file": "none.csv"}, "none.csv: No such file or directory"),
        ({"file": "broken.csv"}, "line 7: 2 cells"),
        ({"mapping": "none.json"}, "none.json: No such file or directory"),
        ({"mapping": "broken.json"}, "broken.json: not JSON"),
    ]:
        with pytest.raises(CommandError, match=problem):
            command(files, **arguments)
        assert not any(record.exc_info for record in caplog.records)
    assert not InboxMessage.objects.exists()
