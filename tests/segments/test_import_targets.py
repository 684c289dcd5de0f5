"""Members by hand that the rows of a file bring, and that go when it is taken back."""

from datetime import timedelta

import pytest

from cdp.models import Run
from cdp.runs import execute_run
from profiles.imports.check import check
from profiles.imports.facts import FileFacts
from profiles.models import ProfileMerge
from profiles.services.identity import merge_profiles, undo_merge
from profiles.services.imports import check_mapping, guess_mapping, preview_take_back, take_back
from segments.import_targets import MemberTarget
from segments.models import DisplacedMembership, Membership, MembershipChange, Segment
from segments.services import add_members
from tests.factories.segments import SegmentFactory, StaticSegmentFactory
from tests.profiles.conftest import load, till  # noqa: F401
from tests.profiles.imports.files import MEMBERS, MEMBERS_MAPPING, NOW
from tests.profiles.ingest.messages import people, profile_of

pytestmark = pytest.mark.django_db
LIST = "Card,Lists,Dinner\nVIP001,Guests;press,yes\nVIP002,Guests,no\nVIP003,,yes\nVIP001,Guests,yes\n"
MAPPING = {
    "identifiers": {"Card": "member_card"},
    "segments": [
        {"segment": {"column": "Lists"}, "split": ";"},
        {"segment": "dinner", "when": {"column": "Dinner"}},
    ],
}


@pytest.fixture
def _segments():
    StaticSegmentFactory(key="guests", name="Guests")
    StaticSegmentFactory(key="press", name="Press")
    StaticSegmentFactory(key="dinner", name="Dinner")
    SegmentFactory(key="oslo")


def card(number):
    return profile_of("member_card", f"VIP00{number}")


def held():
    rows = Membership.objects.values_list("profile__identifiers__value", "segment__key", "entered_at")
    return {row for row in rows if row[0].startswith("VIP")}


def sizes():
    return dict(Segment.objects.filter(kind="static").values_list("key", "n_members"))


@pytest.mark.usefixtures("_segments")
@pytest.mark.parametrize(
    ("cells", "part"),
    [
        (["Guests", "press"], {"segment": {"column": "人群"}}),
        (["Guests、press", "dinner"], {"segment": {"column": "人群"}, "split": "、"}),
        (["Guests", "oslo"], None),
        (["Guests", "nobody", "press"], None),
        ([], None),
    ],
    ids=["one", "many", "dynamic", "unknown", "empty"],
)
def test_a_column_that_names_segments_by_hand_is_guessed(cells, part, till):  # noqa: F811
    sample = tuple({"卡号": f"VIP{n}", "人群": cell} for n, cell in enumerate(cells))
    facts = FileFacts("csv", "utf-8", ",", ("卡号", "人群"), sample)

    mapping = guess_mapping(facts, source=till)

    assert mapping.get("segments") == (None if part is None else [part])
    assert ("人群" in mapping.get("traits", {})) == (part is None)
    assert check_mapping(mapping, facts=facts) == []


@pytest.mark.usefixtures("_segments")
def test_a_column_that_names_archived_segments_is_guessed(till):  # noqa: F811
    """As an attribute it would be taken in, and nobody would hear that the segment is to be restored first."""
    Segment.objects.filter(key="guests").update(archived_at=NOW)
    sample = ({"卡号": "VIP1", "人群": "Guests"}, {"卡号": "VIP2", "人群": "press"})

    mapping = guess_mapping(FileFacts("csv", "utf-8", ",", ("卡号", "人群"), sample), source=till)

    assert mapping["segments"] == [{"segment": {"column": "人群"}}]


@pytest.mark.usefixtures("_segments")
def test_rows_put_people_in_by_key_or_name(load):  # noqa: F811
    load(MEMBERS, MEMBERS_MAPPING)
    expected = load(LIST, MAPPING, dry_run=True).dry_run_counts
    assert not Membership.objects.exists()

    import_ = load(LIST, MAPPING)

    assert held() == {
        ("VIP001", "guests", NOW), ("VIP001", "press", NOW), ("VIP001", "dinner", NOW),
        ("VIP002", "guests", NOW), ("VIP003", "dinner", NOW),
    }  # fmt: skip
    assert sizes() == {"guests": 2, "press": 1, "dinner": 2}
    assert import_.counts["segments"] == expected["segments"] == 5
    assert set(MembershipChange.objects.values_list("change", "cause")) == {("entered", "import")}
    assert MembershipChange.objects.count() == 5


@pytest.mark.usefixtures("_segments")
@pytest.mark.parametrize("is_archived", [False, True])
def test_into_a_segment_that_is_gone_meanwhile_nothing_is_written(is_archived, load, monkeypatch):  # noqa: F811
    load(MEMBERS, MEMBERS_MAPPING)
    write = MemberTarget.write

    def delete_and_write(*args):
        press = Segment.objects.filter(key="press")
        press.update(archived_at=NOW) if is_archived else press.delete()
        return write(*args)

    monkeypatch.setattr(MemberTarget, "write", delete_and_write)
    run = load(LIST, MAPPING).run

    assert (run.state, run.error) == (
        Run.State.FAILED,
        "“Press” was deleted or archived while the file was read. Import it again, to another segment or after "
        "restoring this one: what was written already is not written twice.",
    )
    assert held() == set()
    assert not MembershipChange.objects.exists()


@pytest.mark.usefixtures("_segments")
def test_the_same_list_twice_changes_nothing(load):  # noqa: F811
    load(MEMBERS, MEMBERS_MAPPING)
    load(LIST, MAPPING)
    before = list(Membership.objects.order_by("pk").values())

    again = load(LIST, MAPPING, now=NOW + timedelta(days=1))

    assert again.counts == {"unchanged": 4, "segments_unchanged": 5, "refused_rows": []}
    assert list(Membership.objects.order_by("pk").values()) == before
    assert MembershipChange.objects.count() == 5


@pytest.mark.usefixtures("_segments")
def test_strangers_are_refused_unless_the_mapping_makes_people(load):  # noqa: F811
    refused = load(LIST, MAPPING)
    made = load(LIST, MAPPING | {"people": "create"})

    assert refused.counts["refused"] == 4
    assert (made.counts["new"], made.counts["segments"]) == (3, 5)


@pytest.mark.usefixtures("_segments")
def test_taken_back_they_leave_but_for_those_put_in_by_hand(load):  # noqa: F811
    load(MEMBERS, MEMBERS_MAPPING)
    guests = Segment.objects.get(key="guests")
    add_members(guests, [card(2).pk], now=NOW - timedelta(days=1))
    import_ = load(LIST, MAPPING)

    assert preview_take_back(import_).counts == {"segments": 4}
    execute_run(take_back(import_, user=None).pk, now=NOW)

    assert held() == {("VIP002", "guests", NOW - timedelta(days=1))}
    assert sizes() == {"guests": 1, "press": 0, "dinner": 0}
    assert MembershipChange.objects.filter(change="left", cause="import").count() == 4


@pytest.mark.usefixtures("_segments")
def test_taken_back_they_stay_whom_a_hand_or_another_file_named_since(load):  # noqa: F811
    load(MEMBERS, MEMBERS_MAPPING)
    first = load("Card\nVIP001\nVIP002\nVIP003\n", {**MAPPING, "segments": [{"segment": "guests"}]})
    load("Card\nVIP002\n", {**MAPPING, "segments": [{"segment": "guests"}]})
    add_members(Segment.objects.get(key="guests"), [card(3).pk], now=NOW + timedelta(days=1))

    assert preview_take_back(first).counts == {"segments": 1}
    execute_run(take_back(first, user=None).pk, now=NOW)

    assert held() == {("VIP002", "guests", NOW), ("VIP003", "guests", NOW)}
    assert sizes()["guests"] == 2


@pytest.mark.usefixtures("_segments")
def test_whom_a_list_has_made_and_another_names_stays_when_the_first_is_taken_back(load):  # noqa: F811
    first = load("Card\nVIP001\nVIP002\n", {**MAPPING, "people": "create", "segments": [{"segment": "guests"}]})
    again = load("Card\nVIP001\nVIP002\n", {**MAPPING, "people": "create", "segments": [{"segment": "guests"}]})
    load("Card,Lists\nVIP001,Guests\nVIP002,\n", {**MAPPING, "segments": [{"segment": {"column": "Lists"}}]})

    assert preview_take_back(first).counts == {"segments": 1, "rows": 2, "identifiers": 1, "people": 1}
    for import_ in (first, again):
        execute_run(take_back(import_, user=None).pk, now=NOW)

    assert held() == {("VIP001", "guests", NOW)}
    assert people() == {frozenset({("member_card", "VIP001")})}


@pytest.mark.usefixtures("_segments")
def test_whom_a_list_alone_still_names_goes_with_it(load):  # noqa: F811
    members = load("Card,Name\nVIP001,Ann\n", {"identifiers": {"Card": "member_card"}, "traits": {"Name": "name"}})
    guests = load("Card\nVIP001\n", {**MAPPING, "segments": [{"segment": "guests"}]})
    execute_run(take_back(members, user=None).pk, now=NOW)
    assert held() == {("VIP001", "guests", NOW)}

    assert preview_take_back(guests).counts == {"segments": 1, "identifiers": 1, "people": 1}
    execute_run((run := take_back(guests, user=None)).pk, now=NOW)

    run.refresh_from_db()
    assert run.counts == {"segments": 1, "identifiers": 1, "people": 1}
    assert (run.done, run.total) == (3, 3)
    assert (held(), people(), sizes()["guests"]) == (set(), set(), 0)


@pytest.mark.usefixtures("_segments")
def test_taken_back_what_gave_way_at_a_merge_comes_back_or_goes(load):  # noqa: F811
    load(MEMBERS, MEMBERS_MAPPING)
    one, two, three = card(1), card(2), card(3)
    import_ = load("Card\nVIP001\nVIP002\n", {**MAPPING, "segments": [{"segment": "guests"}]})
    guests = Segment.objects.get(key="guests")
    add_members(guests, [three.pk], now=NOW + timedelta(days=1))  # gives way to the import's, which is earlier
    person = merge_profiles([one.pk, two.pk, three.pk], user=None, now=NOW)
    assert DisplacedMembership.objects.count() == 2

    execute_run(take_back(import_, user=None).pk, now=NOW)
    row = Membership.objects.get()
    assert (row.profile, row.origin, sizes()["guests"]) == (person, three, 1)
    for merge in ProfileMerge.objects.order_by("-pk"):
        undo_merge(merge, user=None, now=NOW)

    assert held() == {("VIP003", "guests", NOW + timedelta(days=1))}
    assert not DisplacedMembership.objects.exists()


@pytest.mark.usefixtures("_segments")
def test_a_cell_that_names_no_segment_by_hand_refuses_its_row(load):  # noqa: F811
    load(MEMBERS, MEMBERS_MAPPING)

    import_ = load("Card,Lists,Dinner\nVIP001,oslo,\nVIP002,Guests,\n", MAPPING)

    assert (import_.counts["refused"], import_.counts["segments"]) == (1, 1)
    assert "there is no segment by hand “oslo”" in import_.refused_file.open().read().decode()


@pytest.mark.usefixtures("_segments")
def test_a_cell_that_names_an_archived_segment_says_so(load):  # noqa: F811
    load(MEMBERS, MEMBERS_MAPPING)
    Segment.objects.filter(key="guests").update(archived_at=NOW)

    import_ = load("Card,Lists,Dinner\nVIP001,guests,\nVIP002,Guests,\n", MAPPING)

    refused = import_.refused_file.open().read().decode()
    assert import_.counts["refused"] == 2
    assert "“guests” is archived: restore it first." in refused
    assert "“Guests” is archived: restore it first." in refused


@pytest.mark.usefixtures("_segments")
def test_a_mapping_that_names_an_archived_segment_says_so(load):  # noqa: F811
    Segment.objects.filter(key="guests").update(archived_at=NOW)

    problems = check_mapping({**MAPPING, "segments": [{"segment": "guests"}]})

    assert [(each.path, str(each.message)) for each in problems] == [
        ("segments[0].segment", "“guests” is archived: restore it first.")
    ]


@pytest.mark.parametrize(
    ("segments", "path", "message"),
    [
        ({}, "segments", "not a list of objects"),
        ([{"segment": "oslo"}], "segments[0].segment", "“oslo”; there are: dinner, guests, press"),
        ([{}], "segments[0].segment", "missing: a segment"),
        ([{"segment": "guests", "colour": 1}], "segments[0].colour", "unknown key"),
        ([{"segment": "guests", "split": 1}], "segments[0].split", "not a text"),
        ([{"segment": "guests", "when": "VIP"}], "segments[0].when", "needs {“column”: …}"),
        ([{"segment": 7}], "segments[0].segment", "neither a text nor"),
    ],
    ids=range(7),
)
@pytest.mark.usefixtures("_segments")
def test_a_mistake_is_named_with_its_place(segments, path, message):
    _parsed, problems = check(MAPPING | {"segments": segments}, kinds={"member_card"})

    assert problems[0].path == path
    assert message in problems[0].message
