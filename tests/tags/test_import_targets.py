"""Tags that the rows of a file assign, and that go when it is taken back."""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path

import pytest

from cdp.locks import advisory_lock
from cdp.models import Run
from cdp.runs import execute_run
from profiles.identity.resolve import lock_profiles
from profiles.imports import engine, take
from profiles.imports.check import check
from profiles.imports.facts import FileFacts
from profiles.models import IdentityChange, ProfileChange, ProfileMerge
from profiles.services import written
from profiles.services.identity import merge_profiles, undo_merge
from profiles.services.imports import (
    check_mapping,
    guess_mapping,
    inspect_file,
    preview_rows,
    preview_take_back,
    take_back,
)
from tags.import_targets import TagTarget
from tags.models import Tag, TagAssignment, TagChange, TagValue
from tags.services import assign_tag
from tests.factories.profiles import SourceFactory
from tests.factories.tags import TagFactory, TagValueFactory
from tests.profiles.conftest import load, till  # noqa: F401
from tests.profiles.imports.files import MEMBERS, MEMBERS_MAPPING, NOW
from tests.profiles.ingest.messages import people, profile_of, send, track

pytestmark = pytest.mark.django_db
LIST = "卡号,标签,等级,到期\nVIP001,高价值、老客户,金卡,2027-01-01\nVIP002,,金卡,\nVIP003,老客户,,2026-01-01\n"
MAPPING = {
    "identifiers": {"卡号": "member_card"},
    "tags": [
        {"tag": {"column": "标签"}, "split": "、", "expires_at": {"column": "到期"}},
        {"tag": "card", "value": {"column": "等级"}},
    ],
}


@pytest.fixture
def _tags():
    TagFactory(key="rich", name="高价值")
    TagFactory(key="old", name="老客户")
    card = TagFactory(key="card", name="会员卡")
    TagValueFactory(tag=card, key="gold", name="金卡")
    TagValueFactory(tag=card, key="silver", name="银卡")


MEMBER = {"identifiers": {"卡号": "member_card"}}


def external(card):
    return {"type": "member_card", "id": card}


def gold():
    return TagValue.objects.get(key="gold")


def taken_back(import_):
    """The counts of a whole run."""
    run = take_back(import_, user=None)
    execute_run(run.pk, now=NOW)
    run.refresh_from_db()
    assert (run.state, run.error) == (Run.State.SUCCEEDED, "")
    return run.counts


def held():
    rows = TagAssignment.objects.values_list("profile__identifiers__value", "tag__key", "value__key", "expires_at")
    return {row for row in rows if row[0].startswith("VIP")}


@pytest.mark.usefixtures("_tags")
@pytest.mark.parametrize("column", ["标签", "tag", "Tags", "客户标签"])
@pytest.mark.parametrize(
    ("cells", "part"),
    [
        (["高价值", "old"], {}),
        (["高价值、老客户", "old"], {"split": "、"}),
        (["高价值", "会员卡"], None),
        (["高价值", "nobody knows it", "old"], None),
        (["高价值", "archived"], {}),
        ([], None),
    ],
    ids=["one", "many", "with values", "unknown", "archived", "empty"],
)
def test_a_column_that_names_tags_is_guessed(column, cells, part, till):  # noqa: F811
    TagFactory(key="archived", lifecycle=Tag.Lifecycle.ARCHIVED)
    sample = tuple({"卡号": f"VIP{n}", column: cell} for n, cell in enumerate(cells))
    facts = FileFacts("csv", "utf-8", ",", ("卡号", column), sample)

    mapping = guess_mapping(facts, source=till)

    assert mapping.get("tags") == (None if part is None else [{"tag": {"column": column}} | part])
    assert (column in mapping.get("traits", {})) == (part is None)
    assert check_mapping(mapping, facts=facts) == []


@pytest.mark.parametrize("name", ["old", "老客户"])
def test_a_mapping_that_names_an_archived_tag_says_so(name):
    TagFactory(key="old", name="老客户", lifecycle=Tag.Lifecycle.ARCHIVED)

    problems = check_mapping({"identifiers": {"Card": "member_card"}, "tags": [{"tag": name}]})

    assert [(each.path, str(each.message)) for each in problems] == [
        ("tags[0].tag", f"“{name}” is archived: restore it first.")
    ]


@pytest.mark.usefixtures("_tags")
def test_rows_assign_tags_by_key_or_name_with_value_and_end(load):  # noqa: F811
    load(MEMBERS, MEMBERS_MAPPING)
    ProfileChange.objects.all().delete()
    expected = load(LIST, MAPPING, dry_run=True).dry_run_counts
    assert not TagAssignment.objects.exists()

    import_ = load(LIST, MAPPING)

    ends_at = datetime(2027, 1, 1, 16, tzinfo=UTC)  # the day that the file names counts, as where it is chosen by hand
    assert held() == {
        ("VIP001", "rich", None, ends_at),
        ("VIP001", "old", None, ends_at),
        ("VIP001", "card", "gold", None),
        ("VIP002", "card", "gold", None),
    }
    assert import_.counts == {"unchanged": 3, "tags": 4, "refused_rows": []}
    assert expected == import_.counts
    first = profile_of("member_card", "VIP001").pk
    assert set(ProfileChange.objects.filter(profile_id=first).values_list("topic", "due_at")) == {
        ("tag:rich", NOW),
        ("tag:old", NOW),
        ("tag:card", NOW),
    }


@pytest.mark.usefixtures("_tags")
@pytest.mark.parametrize(
    ("written", "ends_at", "words"),
    [
        ("2027/1/1", datetime(2027, 1, 1, 16, tzinfo=UTC), "老客户 until 2027-01-01"),
        ("20270101", datetime(2027, 1, 1, 16, tzinfo=UTC), "老客户 until 2027-01-01"),
        ("2027-01-01 00:00", datetime(2026, 12, 31, 16, tzinfo=UTC), "老客户 until 2026-12-31"),
        ("2027-01-01 09:30", datetime(2027, 1, 1, 1, 30, tzinfo=UTC), "老客户 until 2027-01-01 09:30"),
        ("9999-12-31", datetime.max.replace(tzinfo=UTC), "老客户 until 9999-12-31 23:59"),
    ],
)
def test_a_day_without_an_hour_is_the_last_one(load, till, written, ends_at, words):  # noqa: F811
    load(MEMBERS, MEMBERS_MAPPING)
    mapping = MEMBER | {"tags": [{"tag": "old", "expires_at": {"column": "到期"}}]}

    import_ = load(f"卡号,到期\nVIP001,{written}\n", mapping)

    assert held() == {("VIP001", "old", None, ends_at)}
    path = Path(import_.file.path)
    (row,) = preview_rows(path, mapping, facts=inspect_file(path), source=till, now=NOW)
    assert list(row.others["tags"]) == [words]


@pytest.mark.usefixtures("_tags")
def test_how_long_the_tags_of_a_file_last_is_guessed(till):  # noqa: F811
    sample = ({"卡号": "VIP1", "标签": "old", "到期日": "2027/1/1"}, {"卡号": "VIP2", "标签": "old", "到期日": ""})

    mapping = guess_mapping(FileFacts("csv", "utf-8", ",", ("卡号", "标签", "到期日"), sample), source=till)

    assert mapping == MEMBER | {"tags": [{"tag": {"column": "标签"}, "expires_at": {"column": "到期日"}}]}


@pytest.mark.usefixtures("_tags")
@pytest.mark.parametrize("dry_run", [True, False])
def test_refused_rows_are_named_in_their_order(load, dry_run):  # noqa: F811
    """Those of nobody known are found behind the others."""
    load(MEMBERS, MEMBERS_MAPPING)

    import_ = load("卡号,号\nnobody,1\n,2\nVIP001,3\n", MEMBER | {"tags": [{"tag": "old"}]}, dry_run=dry_run)

    assert import_.run.counts["refused_rows"] == ["2", "3"]


AGAIN = "what was written already is not written twice."


@pytest.mark.usefixtures("_tags")
@pytest.mark.parametrize(
    ("goes", "said"),
    [
        (
            lambda: Tag.objects.filter(key="card").delete(),
            "“会员卡” was deleted or archived while the file was read. Import it again, to another tag or after "
            f"restoring this one: {AGAIN}",
        ),
        (
            lambda: Tag.objects.filter(key="old").update(lifecycle=Tag.Lifecycle.ARCHIVED),
            "“老客户” was deleted or archived while the file was read. Import it again, to another tag or after "
            f"restoring this one: {AGAIN}",
        ),
        (
            lambda: TagValue.objects.filter(key="gold").delete(),
            "“金卡”, a value of “会员卡”, was deleted while the file was read. Import it again, with another value: "
            f"{AGAIN}",
        ),
    ],
    ids=["deleted", "archived", "value"],
)
def test_of_a_tag_that_is_gone_meanwhile_nothing_is_written(goes, said, load, monkeypatch):  # noqa: F811
    load(MEMBERS, MEMBERS_MAPPING)
    write = TagTarget.write

    def go_and_write(*args):
        goes()
        return write(*args)

    monkeypatch.setattr(TagTarget, "write", go_and_write)
    run = load(LIST, MAPPING).run

    assert (run.state, run.error) == (Run.State.FAILED, said)
    assert held() == set()
    assert not TagChange.objects.exists()


@pytest.mark.usefixtures("_tags")
def test_the_same_list_twice_changes_nothing(load):  # noqa: F811
    load(MEMBERS, MEMBERS_MAPPING)
    load(LIST, MAPPING)
    before = list(TagAssignment.objects.order_by("pk").values())

    again = load(LIST, MAPPING)

    assert again.counts == {"unchanged": 3, "tags_unchanged": 4, "refused_rows": []}
    assert list(TagAssignment.objects.order_by("pk").values()) == before


@pytest.mark.usefixtures("_tags")
def test_strangers_are_refused_unless_the_mapping_makes_people(load):  # noqa: F811
    refused = load(LIST, MAPPING)
    made = load(LIST, MAPPING | {"people": "create"})

    assert refused.counts == {"refused": 3, "refused_rows": ["2", "3", "4"]}
    assert (made.counts["new"], made.counts["tags"]) == (3, 4)


@pytest.mark.usefixtures("_tags")
def test_taken_back_the_tags_go_that_nobody_has_touched(load):  # noqa: F811
    load(MEMBERS, MEMBERS_MAPPING)
    import_ = load(LIST, MAPPING)
    card = TagAssignment.objects.filter(tag__key="card").first().tag
    assign_tag(card, [profile_of("member_card", "VIP002").pk], value=card.values.get(key="silver"), now=NOW)

    assert preview_take_back(import_).counts == {"tags": 3}
    execute_run(take_back(import_, user=None).pk, now=NOW)

    assert held() == {("VIP002", "card", "silver", None)}


@pytest.mark.usefixtures("_tags")
def test_taken_back_the_tags_stay_that_a_hand_or_another_file_has_named_since(load):  # noqa: F811
    load(MEMBERS, MEMBERS_MAPPING)
    mapping = MAPPING | {"tags": [{"tag": "old"}]}
    first = load("卡号\nVIP001\nVIP002\nVIP003\n", mapping)
    load("卡号\nVIP002\n", mapping)
    assign_tag(Tag.objects.get(key="old"), [profile_of("member_card", "VIP003").pk], now=NOW)

    assert preview_take_back(first).counts == {"tags": 1}
    execute_run(take_back(first, user=None).pk, now=NOW)

    assert held() == {("VIP002", "old", None, None), ("VIP003", "old", None, None)}


@pytest.mark.usefixtures("_tags")
def test_whom_a_list_has_made_and_another_names_stays_when_the_first_is_taken_back(load):  # noqa: F811
    mapping = MAPPING | {"tags": [{"tag": "old"}], "people": "create"}
    first = load("卡号\nVIP001\nVIP002\n", mapping)
    load("卡号\nVIP002\n", MAPPING | {"tags": [{"tag": "rich"}]})

    execute_run(take_back(first, user=None).pk, now=NOW)

    assert held() == {("VIP002", "rich", None, None)}


@pytest.mark.usefixtures("_tags")
@pytest.mark.parametrize("order", list(permutations(range(3))), ids=lambda order: "".join(map(str, order)))
def test_who_is_left_by_files_and_lists_goes_with_the_last_of_them_whichever_that_is(load, order):  # noqa: F811
    """Of the others, whom a file, a message or a hand has named too, the tags go alone."""
    send(SourceFactory(), track("Viewed", user="u1") | {"context": {"externalIds": [external("VIP003")]}})
    imports = [
        load("卡号,姓名\nVIP001,Ann\nVIP002,Bob\n", {**MEMBER, "traits": {"姓名": "name"}}),
        load("卡号\nVIP001\nVIP002\nVIP003\n", {**MEMBER, "tags": [{"tag": "rich"}]}),
        load("卡号\nVIP001\nVIP003\n", {**MEMBER, "tags": [{"tag": "old"}]}),
    ]
    assign_tag(Tag.objects.get(key="card"), [profile_of("member_card", "VIP002").pk], value=gold(), now=NOW)
    everybody, keys = people(), [{"messages": 2}, {}, {}]
    for n in order[:2]:
        expected = preview_take_back(imports[n]).counts
        assert "people" not in expected
        assert taken_back(imports[n]) == expected | keys[n]
        assert people() == everybody

    expected = preview_take_back(imports[order[2]]).counts

    assert (expected["people"], expected["identifiers"]) == (1, 1)
    assert taken_back(imports[order[2]]) == expected | keys[order[2]]
    assert {value for keys in people() for _kind, value in keys} == {"VIP002", "VIP003", "u1"}
    assert held() == {("VIP002", "card", "gold", None)}
    assert not TagAssignment.objects.exclude(tag__key="card").exists()
    assert list(IdentityChange.objects.values_list("change", flat=True)) == ["erased"]


@pytest.mark.usefixtures("_tags")
def test_of_a_list_that_is_counted_in_part_those_who_go_are_so_many_at_least(load, monkeypatch):  # noqa: F811
    members = load("卡号,姓名\nVIP001,Ann\nVIP002,Bob\nVIP003,Cid\n", {**MEMBER, "traits": {"姓名": "name"}})
    marked = load("卡号\nVIP001\nVIP002\nVIP003\n", {**MEMBER, "tags": [{"tag": "rich"}]})
    taken_back(members)

    found = written.count_some(marked, most=2)

    assert found == ({"tags": 2, "identifiers": 2, "people": 2}, {"tags", "identifiers", "people"})
    assert written.count_written(marked) == {"tags": 3, "identifiers": 3, "people": 3}


@pytest.mark.usefixtures("_tags")
def test_taken_back_what_gave_way_at_a_merge_goes_or_comes_back(load):  # noqa: F811
    load(MEMBERS, MEMBERS_MAPPING)
    one, two, three = (profile_of("member_card", f"VIP00{n}") for n in (1, 2, 3))
    card = Tag.objects.get(key="card")
    gold, silver = card.values.get(key="gold"), card.values.get(key="silver")
    assign_tag(card, [three.pk], value=silver, now=NOW - timedelta(days=1))
    import_ = load(LIST, MAPPING)
    assign_tag(card, [one.pk], value=silver, now=NOW + timedelta(days=1))
    assign_tag(card, [one.pk], value=gold, now=NOW + timedelta(days=2))
    first = merge_profiles([one.pk, two.pk], user=None, now=NOW)  # the import's of VIP002 gives way
    second = merge_profiles([first.pk, three.pk], user=None, now=NOW)

    assert preview_take_back(import_).counts == {"tags": 3}
    execute_run(take_back(import_, user=None).pk, now=NOW)
    assert set(TagAssignment.objects.values_list("tag__key", "value__key", "profile")) == {("card", "gold", second.pk)}
    for merge in ProfileMerge.objects.order_by("-pk"):
        undo_merge(merge, user=None, now=NOW)

    assert held() == {("VIP001", "card", "gold", None), ("VIP003", "card", "silver", None)}


@pytest.mark.usefixtures("_tags")
def test_taken_back_an_older_tag_by_hand_is_there_again(load):  # noqa: F811
    load(MEMBERS, MEMBERS_MAPPING)
    card = Tag.objects.get(key="card")
    older, imported = profile_of("member_card", "VIP003"), profile_of("member_card", "VIP001")
    assign_tag(card, [older.pk], value=card.values.get(key="silver"), now=NOW - timedelta(days=1))
    import_ = load(LIST, MAPPING)
    survivor = merge_profiles([older.pk, imported.pk], user=None, now=NOW)
    assert survivor.tag_assignments.get(tag=card).value.key == "gold"

    execute_run(take_back(import_, user=None).pk, now=NOW)

    assert survivor.tag_assignments.get().value.key == "silver"


@pytest.mark.usefixtures("_tags")
def test_a_cell_that_names_no_tag_or_value_refuses_its_row(load):  # noqa: F811
    load(MEMBERS, MEMBERS_MAPPING)

    import_ = load("卡号,标签,等级,到期\nVIP001,新客户,,\nVIP002,,白金,\nVIP003,老客户,,\n", MAPPING)

    assert (import_.counts["refused"], import_.counts["tags"]) == (2, 1)
    refused = import_.refused_file.open().read().decode()
    assert "there is no tag by hand or by import “新客户”" in refused
    assert "“白金” is no value of “card”; known: gold, silver" in refused


@pytest.mark.parametrize(
    ("tags", "path", "message"),
    [
        ({}, "tags", "not a list of objects"),
        (["vip"], "tags[0]", "not a JSON object"),
        ([{"tag": "none"}], "tags[0].tag", "there is no tag by hand or by import “none”; there are: card, old, rich"),
        ([{}], "tags[0].tag", "missing: a tag"),
        ([{"tag": "rich", "colour": 1}], "tags[0].colour", "unknown key"),
        ([{"tag": "card"}], "tags[0].value", "“会员卡” needs a value; known: gold, silver"),
        ([{"tag": "rich", "value": "gold"}], "tags[0].value", "has no values"),
        ([{"tag": "rich", "when": "VIP"}], "tags[0].when", "needs {“column”: …}"),
        ([{"tag": 7}], "tags[0].tag", "neither a text nor"),
    ],
    ids=range(9),
)
@pytest.mark.usefixtures("_tags")
def test_a_bad_part_is_named_by_its_place(tags, path, message):
    _parsed, problems = check(MAPPING | {"tags": tags}, kinds={"member_card"})

    assert problems[0].path == path
    assert message in problems[0].message


def test_people_who_appear_while_the_batch_is_planned_are_locked_with_the_others_in_one_order(load, monkeypatch):  # noqa: F811
    """One by one they would be locked behind those whose ids are greater, and two files could wait for each other."""
    TagFactory(key="vip")
    shop = SourceFactory(key="shop")
    locked = []

    def meanwhile(*key):
        if key == ("identity",):
            for card in ("C2", "C1"):
                said = {"context": {"externalIds": [{"type": "member_card", "id": card}]}}
                send(shop, track("Viewed", anonymous=f"a{card}") | said)
        advisory_lock(*key)

    def lock(ids):
        locked.append(sorted(ids))
        return lock_profiles(ids)

    mapping = {"identifiers": {"Card": "member_card"}, "traits": {"Name": "name"}, "tags": [{"tag": "vip"}]}
    monkeypatch.setattr(take, "advisory_lock", meanwhile)
    monkeypatch.setattr(take, "lock_profiles", lock)

    load("Card,Name\nC1,Ann\nC2,Bo\n", mapping)

    assert locked == [sorted(profile_of("member_card", card).pk for card in ("C1", "C2"))]


ONE_IN_TWO_ROWS = {
    "value and value": ["VIP001,,金卡", "VIP001,,银卡", "VIP001,,银卡", "VIP001,,金卡"],
    "tag and tag": ["VIP001,高价值、老客户,", "VIP001,高价值,金卡", "VIP001,老客户,金卡"],
    "twice the same": ["VIP001,高价值、老客户,金卡", "VIP001,高价值、老客户,金卡"],
}


@pytest.mark.usefixtures("_tags")
@pytest.mark.parametrize("people", ["known", "create"])
@pytest.mark.parametrize("batch_rows", [1, 2, 4_000])
@pytest.mark.parametrize("rows", ONE_IN_TWO_ROWS.values(), ids=ONE_IN_TWO_ROWS)
def test_of_two_rows_about_one_person_a_dry_run_counts_what_the_import_does(
    rows,
    batch_rows,
    people,
    load,  # noqa: F811
    monkeypatch,
):
    if people == "known":
        load(MEMBERS, MEMBERS_MAPPING)
    monkeypatch.setattr(engine, "BATCH_ROWS", batch_rows)
    text = "\n".join(["卡号,标签,等级", *rows, ""])
    listed = {"tag": {"column": "标签"}, "split": "、"}
    mapping = MEMBER | {"people": people, "tags": [listed, {"tag": "card", "value": {"column": "等级"}}]}

    expected = load(text, mapping, dry_run=True).dry_run_counts

    assert load(text, mapping).counts == expected


@pytest.mark.usefixtures("_tags")
@pytest.mark.parametrize("batch_rows", [1, 4_000])
def test_a_dry_run_knows_one_person_by_each_of_their_new_identifiers(batch_rows, load, monkeypatch):  # noqa: F811
    load(MEMBERS, MEMBERS_MAPPING)
    monkeypatch.setattr(engine, "BATCH_ROWS", batch_rows)
    text = "卡号,用户\nVIP001,U1\n,U1\nVIP777,U7\nVIP778,U7\n,U7\nVIP777,\n"
    mapping = {
        "identifiers": {"用户": "user_id", "卡号": "member_card"},
        "people": "create",
        "tags": [{"tag": "old"}],
    }

    expected = load(text, mapping, dry_run=True).dry_run_counts

    counts = load(text, mapping).counts
    assert {key: counts.get(key) for key in ("tags", "tags_unchanged")} == {
        key: expected.get(key) for key in ("tags", "tags_unchanged")
    }


@pytest.mark.usefixtures("_tags")
def test_a_list_may_name_people_by_any_of_their_identifiers(load):  # noqa: F811
    load(MEMBERS, MEMBERS_MAPPING)
    text = "用户,卡号\nU999,VIP001\nU998,VIP998\n"
    mapping = {"identifiers": {"用户": "user_id", "卡号": "member_card"}, "tags": [{"tag": "old"}]}
    expected = load(text, mapping, dry_run=True).dry_run_counts

    import_ = load(text, mapping)

    assert held() == {("VIP001", "old", None, None)}
    assert import_.counts == expected == {"unchanged": 1, "tags": 1, "refused": 1, "refused_rows": ["3"]}


@pytest.mark.usefixtures("_tags")
@pytest.mark.parametrize("people", ["", "known", "create"])
def test_a_row_that_says_no_is_not_refused_and_makes_nobody(people, load):  # noqa: F811
    load(MEMBERS, MEMBERS_MAPPING)
    mapping = MEMBER | {"people": people, "tags": [{"tag": "old", "when": {"column": "老客户"}}]}
    text = "卡号,老客户\nVIP001,是\nVIP002,否\nVIP003,\nVIP999,否\nVIP001,也许\n"
    expected = load(text, mapping, dry_run=True).dry_run_counts

    import_ = load(text, mapping)

    assert held() == {("VIP001", "old", None, None)}
    assert import_.counts == expected == {"unchanged": 4, "tags": 1, "refused": 1, "refused_rows": ["6: 老客户"]}


@pytest.mark.usefixtures("_tags")
def test_what_is_wrong_with_a_tag_is_said_at_its_column(load):  # noqa: F811
    load(MEMBERS, MEMBERS_MAPPING)
    listed = {"tag": {"column": "标签"}, "value": {"column": "等级"}, "expires_at": {"column": "到期"}}
    rows = ["VIP001,nobody,金卡,", "VIP001,会员卡,白金,", "VIP001,会员卡,金卡,昨天", "VIP001,老客户,金卡,"]
    text = "\n".join(["卡号,标签,等级,到期", *rows, "VIP001,会员卡,银卡,", ""])

    import_ = load(text, MEMBER | {"tags": [listed]})

    assert import_.counts["refused_rows"] == ["2: 标签", "3: 等级", "4: 到期", "5: 等级"]
    assert held() == {("VIP001", "card", "silver", None)}


@pytest.mark.usefixtures("_tags")
def test_a_tag_that_needs_a_value_says_so(load):  # noqa: F811
    load(MEMBERS, MEMBERS_MAPPING)

    import_ = load("卡号,标签\nVIP001,会员卡\n", MEMBER | {"tags": [{"tag": {"column": "标签"}}]})

    assert "标签: “会员卡” needs a value; known: gold, silver" in import_.refused_file.open().read().decode()
