"""Imports, taken back: as if they had never been, as far as nothing has touched what they wrote."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from cdp.local_settings import TimeLimitExceeded
from cdp.models import Run
from cdp.runs import cancel_run, execute_run
from profiles.identity.foresight import foresee
from profiles.ingest import process
from profiles.models import (
    Consent,
    Contribution,
    Event,
    Identifier,
    IdentifierKind,
    IdentityChange,
    IdentityConflict,
    IdentityLink,
    Import,
    MessageKey,
    Profile,
    ProfileChange,
    ProfileMerge,
    Separation,
)
from profiles.services import in_time, written
from profiles.services import take_back as service
from profiles.services.identity import split_profile
from profiles.services.imports import (
    TAKE_BACK,
    ImportStateError,
    preview_take_back,
    queue_import,
    take_back,
)
from profiles.services.resolve import find_by_public_ids
from segments.models import MembershipChange
from tags.models import TagAssignment
from tests.factories.imports import ImportFactory
from tests.factories.profiles import ConsentFactory, SourceFactory
from tests.factories.segments import MembershipFactory, SegmentFactory
from tests.factories.tags import TagAssignmentFactory
from tests.profiles.imports.files import MEMBERS, MEMBERS_MAPPING, NOW, SALES, SALES_MAPPING
from tests.profiles.ingest.messages import identify, people, profile_of, send, track
from tests.profiles.refresh.shorthand import drain, members

pytestmark = pytest.mark.django_db


def undo(import_):
    """Take back, as a worker does; returns the counts of the run."""
    run = take_back(import_, user=None)
    execute_run(run.pk, now=NOW)
    run.refresh_from_db()
    assert (run.state, run.error) == (Run.State.SUCCEEDED, "")
    import_.refresh_from_db()
    return run.counts


def facts():
    """All that is known, without the rows' own numbers."""
    return {
        "people": people(),
        "profiles": sorted(
            map(repr, Profile.objects.current().values_list("attributes", "first_seen_at", "last_sight__at"))
        ),
        "said": sorted(
            map(repr, Contribution.objects.values_list("anchor__value", "definition__key", "value", "message_id"))
        ),
        "events": sorted(
            map(repr, Event.objects.values_list("definition__name", "occurred_at", "anchor_id", "properties"))
        ),
        "consents": sorted(map(repr, Consent.objects.values_list("profile_id", "channel", "state", "occurred_at"))),
        "links": IdentityLink.objects.count(),
        "keys": set(MessageKey.objects.values_list("key", flat=True)),
    }


def test_what_only_the_import_said_goes(load):
    import_ = load(MEMBERS, MEMBERS_MAPPING)

    assert preview_take_back(import_).counts == {"rows": 3, "identifiers": 4, "people": 3}
    assert undo(import_) == {"rows": 3, "identifiers": 4, "people": 3, "messages": 3}

    assert facts() == {key: [] for key in ("profiles", "said", "events", "consents")} | {
        "people": set(), "links": 0, "keys": set(),
    }  # fmt: skip
    assert import_.taken_back_at == NOW
    assert preview_take_back(import_).counts == {}


def test_rows_about_people_are_no_events(load):
    mapping = SALES_MAPPING | {"traits": {"Item": "favourite"}}

    import_ = load(SALES, mapping)

    assert import_.counts["events"] == 3
    assert preview_take_back(import_).counts == {"events": 3, "rows": 1, "identifiers": 1, "people": 1}
    assert undo(import_) == {"events": 3, "rows": 1, "identifiers": 1, "people": 1, "messages": 4}


def test_what_was_said_of_people_is_not_read_again_where_their_orders_alone_go(load, monkeypatch):
    load(MEMBERS, MEMBERS_MAPPING)
    before = facts()
    sales = load(SALES, SALES_MAPPING)
    monkeypatch.setattr(service, "rebuilt", None)

    assert set(undo(sales)) >= {"events"}
    assert facts() == before


def test_who_goes_with_the_import_need_not_be_judged_again(load):
    import_ = load(MEMBERS, MEMBERS_MAPPING)
    ProfileChange.objects.all().delete()

    undo(import_)

    assert not ProfileChange.objects.exists()


def test_the_rest_is_as_if_it_had_never_been(load, till):
    """Also where the import said the last word of what was said before it."""
    web = SourceFactory(key="web")
    day = datetime(2024, 1, 1, tzinfo=UTC)
    before = {**identify(user="u1", city="Oslo"), "context": {"externalIds": [{"type": "member_card", "id": "VIP001"}]}}
    send(web, before | {"timestamp": day.isoformat()})
    send(till, before | {"timestamp": day.isoformat(), "messageId": "till", "traits": {"city": "Bergen"}})
    known = facts()
    members = load(MEMBERS, MEMBERS_MAPPING)
    sales = load(SALES, SALES_MAPPING)
    assert profile_of("member_card", "VIP001").attributes == {"city": "上海", "name": "张三"}

    undo(sales)
    undo(members)

    assert facts() == known


def test_what_was_touched_since_stays(load):
    import_ = load(MEMBERS, MEMBERS_MAPPING)
    web = SourceFactory(key="web")
    said = track("Page Viewed", user="u1") | {"context": {"externalIds": [{"type": "member_card", "id": "VIP001"}]}}
    send(web, said)

    assert preview_take_back(import_).counts == {"rows": 3, "identifiers": 3, "people": 2}
    assert undo(import_)["people"] == 2

    assert people() == {frozenset({("user_id", "u1"), ("member_card", "VIP001")})}
    assert profile_of("user_id", "u1").attributes == {}
    assert list(Event.objects.values_list("definition__name", flat=True)) == ["Page Viewed"]
    assert not Consent.objects.exists()


def test_who_was_first_seen_by_the_import_is_first_seen_by_what_comes_later(load):
    import_ = load(SALES, SALES_MAPPING)  # of January
    at = datetime(2026, 3, 1, tzinfo=UTC)
    said = {"context": {"externalIds": [{"type": "member_card", "id": "VIP001"}]}}
    send(SourceFactory(), track("Page Viewed") | said | {"timestamp": at.isoformat()})
    undo(import_)
    assert profile_of("member_card", "VIP001").first_seen_at == at

    earlier = at - timedelta(days=9)
    send(SourceFactory(), track("Page Viewed") | said | {"timestamp": earlier.isoformat()})

    assert profile_of("member_card", "VIP001").first_seen_at == earlier
    assert set(Identifier.objects.values_list("first_seen_at", flat=True)) == {earlier}


def test_so_is_whom_messages_meet_that_wait_for_the_taking_back(load, monkeypatch):
    import_ = load(SALES, SALES_MAPPING)  # of January
    at = datetime(2026, 3, 1, tzinfo=UTC)
    said = {"context": {"externalIds": [{"type": "member_card", "id": "VIP001"}]}}
    send(SourceFactory(), track("Page Viewed") | said | {"timestamp": at.isoformat()})

    def foresee_and_wait(*looked_at):
        foreseen = foresee(*looked_at)
        if not import_.taken_back_at:
            undo(import_)
        return foreseen

    monkeypatch.setattr(process, "foresee", foresee_and_wait)
    earlier = at - timedelta(days=9)
    send(SourceFactory(), track("Page Viewed") | said | {"timestamp": earlier.isoformat()})

    assert profile_of("member_card", "VIP001").first_seen_at == earlier
    assert set(Identifier.objects.values_list("first_seen_at", flat=True)) == {earlier}


def test_nobody_was_last_seen_before_one_of_their_identifiers_was_first(load):
    """A card stays that a message has named since, although it was taken for another's there."""
    web = SourceFactory()
    send(web, track("Page Viewed", user="u1") | {"timestamp": "2026-01-01T00:00:00Z"})
    import_ = load(
        "User,Card,City,Day\nu1,VIP001,Oslo,2026-02-01T00:00:00Z\n",
        {"identifiers": {"User": "user_id", "Card": "member_card"}, "traits": {"City": "city"}, "time": "Day"},
    )
    said = {"context": {"externalIds": [{"type": "member_card", "id": "VIP001"}]}, "timestamp": "2026-03-01T00:00:00Z"}
    send(web, track("Page Viewed", user="u2") | said)

    undo(import_)

    assert profile_of("user_id", "u1") == profile_of("member_card", "VIP001")
    assert profile_of("user_id", "u1").last_seen_at == datetime(2026, 2, 1, tzinfo=UTC)


def test_who_was_first_seen_at_a_time_to_come_is_judged_then(load):
    segment = SegmentFactory(rule={"op": "attribute", "key": "first_seen_at", "is": "in_last", "value": {"days": 30}})
    import_ = load(MEMBERS, MEMBERS_MAPPING)
    soon = NOW + timedelta(hours=1)
    card = {"context": {"externalIds": [{"type": "member_card", "id": "VIP001"}]}}
    send(SourceFactory(), track("Viewed", user="u1") | card | {"timestamp": soon.isoformat()}, now=NOW)
    drain(now=NOW)

    undo(import_)
    drain(now=NOW)
    assert members(segment) == set()
    drain(now=soon)

    assert members(segment) == {profile_of("user_id", "u1").pk}


def test_what_joins_decided_on_consents_is_told_anew(load):
    """The file says no of a card, and somebody yes, who then proves to be the same: no counts, until the file goes."""
    import_ = load("Card,Mail\nVIP001,no\n", {"identifiers": {"Card": "member_card"}, "consents": {"Mail": "email"}})
    both = {"context": {"externalIds": [{"type": "member_card", "id": "VIP001"}]}}
    for hours, said in enumerate([identify(user="u1", consents={"email": True}), track("Viewed", user="u1") | both]):
        later = NOW + timedelta(hours=1 + hours)
        send(SourceFactory(), said | {"timestamp": later.isoformat()}, now=later)
    words = Consent.objects.filter(channel="email")
    assert sorted(words.values_list("state", flat=True)) == ["denied", "denied", "granted"]

    undo(import_)

    assert list(words.values_list("state", flat=True)) == ["granted"]


def test_those_whom_it_changed_are_judged_again(load):
    import_ = load(MEMBERS, MEMBERS_MAPPING)
    send(
        SourceFactory(key="web"),
        track("Page Viewed", user="u1") | {"context": {"externalIds": [{"type": "member_card", "id": "VIP001"}]}},
    )
    ProfileChange.objects.all().delete()

    undo(import_)

    assert (profile_of("user_id", "u1").pk, "created") in ProfileChange.objects.values_list("profile_id", "topic")


def test_the_file_can_be_imported_again(load):
    undo(load(MEMBERS, MEMBERS_MAPPING))

    again = load(MEMBERS, MEMBERS_MAPPING)

    assert again.counts["new"] == 3
    assert len(people()) == 3


def test_merges_stay_and_are_told(load, till):
    send(till, identify(user="u1", name="Ann"))
    send(till, track("Page Viewed", anonymous="a1"))
    import_ = load(
        "User,Device,Name\nu1,a1,Ann\n",
        {"identifiers": {"User": "user_id", "Device": "anonymous_id"}, "traits": {"Name": "name"}},
    )

    assert preview_take_back(import_).counts == {"rows": 1, "merges": 1}
    undo(import_)

    assert people() == {frozenset({("user_id", "u1"), ("anonymous_id", "a1")})}
    assert ProfileMerge.objects.count() == 1


def test_a_killed_taking_back_goes_on(load, monkeypatch):
    from profiles.services import take_back as module

    monkeypatch.setattr(module, "PEOPLE", 1)
    import_ = load(MEMBERS, MEMBERS_MAPPING)
    assert module.take_back_people(import_, now=NOW)["people"] == 1

    undo(import_)

    assert (people(), Event.objects.count(), Identifier.objects.count()) == (set(), 0, 0)


def test_only_what_stands_can_be_taken_back(load):
    import_ = load(MEMBERS, MEMBERS_MAPPING)
    undo(import_)

    with pytest.raises(ImportStateError, match="taken back already"):
        take_back(import_, user=None)
    with pytest.raises(ImportStateError, match="upload the file again"):
        queue_import(import_, user=None)
    with pytest.raises(ImportStateError, match="Nothing of this import"):
        take_back(load(MEMBERS, MEMBERS_MAPPING, dry_run=True), user=None)


def test_who_is_erased_leaves_by_the_feeds(load):
    """Segments, tiers and tags by rule too; the profile is found no more, and its id is not given to anybody."""
    import_ = load(MEMBERS, MEMBERS_MAPPING)
    profile = profile_of("member_card", "VIP001")
    segment = SegmentFactory(n_members=1)
    MembershipFactory(segment=segment, profile=profile)
    TagAssignmentFactory(profile=profile, origin=None)

    undo(import_)

    profile.refresh_from_db()
    assert (profile.erased_at, profile.attributes) == (NOW, {})
    assert list(MembershipChange.objects.values_list("profile", "change", "cause")) == [(profile.pk, "left", "erased")]
    segment.refresh_from_db()
    assert segment.n_members == 0
    assert not TagAssignment.objects.exists()
    assert (profile.public_id, "erased", None) in IdentityChange.objects.values_list("profile", "change", "into")
    assert find_by_public_ids([profile.public_id]) == {}


@pytest.mark.parametrize(
    "write",
    [
        lambda person: TagAssignmentFactory(profile=person, origin=person),
        lambda person: MembershipFactory(
            segment=SegmentFactory(kind="static", rule=None), profile=person, origin=person
        ),
        lambda person: ConsentFactory(profile=person, source=None, channel="email", recorded_at=NOW),
    ],
    ids=["tag", "segment", "consent"],
)
def test_of_whom_a_hand_has_written_stays_with_that_alone(load, write):
    import_ = load(MEMBERS, MEMBERS_MAPPING)
    person = profile_of("member_card", "VIP001")
    written = write(person)

    assert preview_take_back(import_).counts == {"rows": 3, "identifiers": 2, "people": 2, "kept": 1}
    assert undo(import_) == {"rows": 3, "identifiers": 2, "people": 2, "kept": 1, "messages": 3}

    written.refresh_from_db()
    assert people() == {frozenset({("member_card", "VIP001"), ("phone", "+8613800138000")})}
    assert profile_of("member_card", "VIP001") == person
    assert Profile.objects.current().get().attributes == {}
    assert not Consent.objects.exclude(recorded_at=NOW).exists()
    assert not Event.objects.exists()
    assert load(MEMBERS, MEMBERS_MAPPING).counts["new"] == 2


CARD = {"identifiers": {"Card": "member_card", "Phone": "phone"}, "traits": {"Name": "name", "City": "city"}}
FILES = ["Card,Phone,Name\nV1,13800138000,Ann\n", "Card,City\nV1,Oslo\n", "Card,Phone,Name\nV1,13800138000,Anne\n"]


def load_files(load, *, tags=None):
    """Three files about one person: the first makes them, the others say more of them."""
    found = []
    for n, text in enumerate(FILES):
        columns = text.partition("\n")[0].split(",")
        mapping = {part: {key: to for key, to in said.items() if key in columns} for part, said in CARD.items()}
        found.append(load(text, mapping | ({"tags": [{"tag": tags}]} if tags and n == 1 else {}), name=f"{n}.csv",
                          now=NOW + timedelta(hours=n)))  # fmt: skip
    return found


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=lambda order: "".join(map(str, order)))
def test_who_is_left_by_the_last_of_several_files_goes_with_it_whichever_that_is(load, order):
    imports = load_files(load)
    for n in order[:2]:
        expected = preview_take_back(imports[n]).counts
        assert "people" not in expected
        assert undo(imports[n]) == {**expected, "messages": 1}
        assert {dict(keys)["member_card"] for keys in people()} == {"V1"}

    expected = preview_take_back(imports[order[2]]).counts

    assert (expected["people"], expected["rows"]) == (1, 1)
    assert undo(imports[order[2]]) == {**expected, "messages": 1}
    assert facts() == {key: [] for key in ("profiles", "said", "events", "consents")} | {
        "people": set(), "links": 0, "keys": set(),
    }  # fmt: skip
    assert list(IdentityChange.objects.values_list("change", flat=True)) == ["erased"]
    assert not Identifier.objects.exists()


def a_message(person):
    said = {"context": {"externalIds": [{"type": "member_card", "id": "V1"}]}}
    send(SourceFactory(), track("Viewed", user="u1") | said)


def a_tag(person):
    TagAssignmentFactory(profile=person, origin=person)


def a_consent(person):
    ConsentFactory(profile=person, source=None, channel="email", recorded_at=NOW)


def a_tag_by_file(person):
    TagAssignmentFactory(profile=person, origin=person, import_id=ImportFactory().pk)


def a_tie(person):
    """A message has tied a name of theirs to one that was split off, with its events."""
    a_split(person)
    Separation.objects.update(lifted_at=NOW)


def a_split(person):
    """By hand; that is told by no message that is still known."""
    said = {"context": {"externalIds": [{"type": "phone", "id": "13800138000"}]}}
    send(SourceFactory(), track("Viewed", user="u1") | said)
    split_profile(person, [Identifier.objects.get(value="u1")], user=None, now=NOW)


def a_message_that_left_them_out(person):
    """It names them beside somebody else, who has a card already."""
    IdentifierKind.objects.filter(key="member_card").update(limit_per_profile=1)
    shop = SourceFactory()
    for card in ("V9", "V1"):
        send(shop, track("Viewed", user="u9") | {"context": {"externalIds": [{"type": "member_card", "id": card}]}})
    assert IdentityConflict.objects.get().left_out.profile == person


@pytest.mark.parametrize(
    "speak", [a_message, a_tag, a_consent, a_tag_by_file, a_tie, a_split, a_message_that_left_them_out]
)
def test_of_whom_anything_else_speaks_stays_when_the_last_of_several_files_goes(load, speak):
    imports = load_files(load)
    person = profile_of("member_card", "V1")
    speak(person)
    if speak is a_split:
        IdentityLink.objects.all().delete()
    for import_ in imports:
        assert "people" not in preview_take_back(import_).counts
        assert "people" not in undo(import_)

    assert profile_of("member_card", "V1") == person
    assert profile_of("member_card", "V1").erased_at is None


def test_whose_other_names_stay_loses_those_of_the_import_though_a_hand_tagged_them(load):
    import_ = load(MEMBERS, MEMBERS_MAPPING)
    phone = {"context": {"externalIds": [{"type": "phone", "id": "13800138000"}]}}
    send(SourceFactory(), track("Viewed", user="u1") | phone)
    person = profile_of("user_id", "u1")
    TagAssignmentFactory(profile=person, origin=person)

    assert preview_take_back(import_).counts == {"rows": 3, "identifiers": 3, "people": 2}
    undo(import_)

    assert people() == {frozenset({("user_id", "u1"), ("phone", "+8613800138000")})}


def test_what_takes_too_long_to_count_is_counted_in_part_and_says_so(load, monkeypatch):
    import_ = load(MEMBERS, MEMBERS_MAPPING)
    whole = written.count_some

    def all_takes_too_long(import_, *, most):
        if most is None:
            raise TimeLimitExceeded
        return whole(import_, most=2)

    monkeypatch.setattr(written, "count_some", all_takes_too_long)

    expected = preview_take_back(import_)

    assert expected.counts == {"rows": 2, "identifiers": 2, "people": 2}
    assert expected.at_least == {"events", "rows", "identifiers", "people", "kept"}


def test_what_cannot_even_be_counted_in_part_is_not_waited_for(load, monkeypatch):
    import_ = load(MEMBERS, MEMBERS_MAPPING)
    monkeypatch.setattr(in_time, "COUNT_SECONDS", 0)

    assert preview_take_back(import_) == (None, frozenset())


def stop_after_first_chunk(monkeypatch):
    """Somebody stops the taking back once the first people are gone."""

    def take_back_people(import_, *, now):
        Run.objects.filter(kind=TAKE_BACK).update(cancel_asked_at=now)
        return whole(import_, now=now)

    whole = service.take_back_people
    monkeypatch.setattr(service, "take_back_people", take_back_people)
    monkeypatch.setattr(service, "PEOPLE", 1)


def state_of(import_):
    return Import.objects.with_state().get(pk=import_.pk).state


def test_one_that_was_stopped_half_way_can_only_be_taken_back_to_the_end(load, monkeypatch):
    import_ = load(MEMBERS, MEMBERS_MAPPING)
    with monkeypatch.context() as patched:
        stop_after_first_chunk(patched)
        execute_run(take_back(import_, user=None).pk, now=NOW)
    import_.refresh_from_db()

    assert (import_.run.state, Profile.objects.current().count()) == (Run.State.CANCELLED, 2)
    assert state_of(import_) == Import.State.PARTLY_TAKEN_BACK
    with pytest.raises(ImportStateError, match="Take back the rest"):
        queue_import(import_, user=None)
    assert not Import.objects.standing().exists()
    undo(import_)

    assert state_of(import_) == Import.State.TAKEN_BACK
    assert not people()


def test_a_taking_back_that_never_began_leaves_an_import_as_it_is(load):
    import_ = load(MEMBERS, MEMBERS_MAPPING)
    cancel_run(take_back(import_, user=None).pk, now=NOW)

    assert state_of(import_) == Import.State.COMPLETE


@pytest.mark.parametrize(
    ("content", "mapping"),
    [(MEMBERS, MEMBERS_MAPPING), (MEMBERS, {**MEMBERS_MAPPING, "time": None}), (SALES, SALES_MAPPING)],
    ids=["timed", "untimed", "events"],
)
def test_what_a_corrected_file_says_while_the_first_is_taken_back_stays(load, monkeypatch, content, mapping):
    """It counts as news, though the first is still there in part."""
    mapping = {key: value for key, value in mapping.items() if value}
    first = load(content, mapping)
    whole = people(), sorted(map(str, Event.objects.values_list("definition__name", "properties")))
    with monkeypatch.context() as patched:
        stop_after_first_chunk(patched)
        execute_run(take_back(first, user=None).pk, now=NOW)

    load(content + "\n", mapping, now=NOW + timedelta(hours=1))
    first.refresh_from_db()
    undo(first)

    assert (people(), sorted(map(str, Event.objects.values_list("definition__name", "properties")))) == whole
    assert {profile.attributes.get("city") for profile in Profile.objects.current()} >= (
        {"上海", "北京"} if content == MEMBERS else {None}
    )
