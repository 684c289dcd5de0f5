"""Later files that lost rows by a taking back, imported once more: what they say stands again, and all else stays."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.storage import FileSystemStorage
from django.db import OperationalError

from cdp.models import Run
from cdp.runs import cancel_run, execute_run
from profiles.imports import engine
from profiles.imports.again import error_of
from profiles.imports.errors import ImportFileError
from profiles.models import Consent, Contribution, Event, Import, MessageKey, Profile, Source
from profiles.models.source import SourceDay
from profiles.services.import_again import import_again, leaning_on, lost_by, missing
from profiles.services.imports import ImportStateError, take_back
from tags.models import TagAssignment
from tests.factories.profiles import SourceFactory
from tests.factories.tags import TagFactory
from tests.profiles.imports.files import MEMBERS, MEMBERS_MAPPING, NOW, SALES, SALES_MAPPING
from tests.profiles.ingest.messages import identify, people, profile_of, send

pytestmark = pytest.mark.django_db
UNTIMED = {key: value for key, value in MEMBERS_MAPPING.items() if key != "time"}
MORE = MEMBERS + "VIP 004,,Zhao,,2025-02-01,1\n"
HOUR = timedelta(hours=1)


def undo(import_, *, now=NOW):
    execute_run(take_back(import_, user=None).pk, now=now)
    import_.refresh_from_db()
    assert import_.taken_back_at == now


def do_again(import_, *, now=NOW + HOUR):
    run = import_again(import_, user=None)
    execute_run(run.pk, now=now)
    run.refresh_from_db()
    return run


def lost(import_):
    return list(lost_by(import_, of=leaning_on(import_)))


def facts():
    """All that is known, without the rows' own numbers."""
    return {
        "people": people(),
        "attributes": sorted(map(repr, Profile.objects.current().values_list("attributes", flat=True))),
        "said": set(Contribution.objects.values_list("anchor__value", "definition__key", "value", "source")),
        "events": sorted(map(repr, Event.objects.values_list("definition__name", "properties"))),
        "consents": set(Consent.objects.values_list("channel", "state")),
    }


@pytest.mark.parametrize(
    ("first", "later", "mapping"),
    [(MEMBERS, MORE, MEMBERS_MAPPING), (MEMBERS, MORE, UNTIMED), (SALES, SALES + "R3;VIP001;5;tea;2026-01-03 10:00\n",
                                                                  SALES_MAPPING)],
    ids=["timed", "untimed", "events"],
)  # fmt: skip
def test_what_a_later_file_says_too_stands_again(load, first, later, mapping):
    taken_back = load(first, mapping, now=NOW - 3 * HOUR)
    leaning = load(later, mapping, now=NOW - 2 * HOUR)
    before = facts()
    undo(taken_back)
    assert facts() != before

    run = do_again(taken_back)

    assert (run.state, run.error, run.counts["again"]) == (Run.State.SUCCEEDED, "", [str(leaning.pk)])
    assert (run.done, run.total) == (leaning.n_done, leaning.n_done)
    assert facts() == before
    assert set(MessageKey.objects.values_list("import_id", flat=True)) == {leaning.pk}
    undo(leaning)
    assert not Event.objects.exists()


def test_what_stands_is_not_written_again_nor_counted_again(load):
    """Rows that are refused once more are neither listed nor counted twice."""
    taken_back = load(SALES, SALES_MAPPING, now=NOW - 3 * HOUR)
    leaning = load(SALES + "R3;VIP001;5;tea;no day\n", SALES_MAPPING, now=NOW - 2 * HOUR)
    undo(taken_back)
    do_again(taken_back)
    before = facts(), leaning.counts, list(SourceDay.objects.values()), leaning.refused_file.read()
    Import.objects.filter(pk=leaning.pk).update(run=None)  # as if nobody knew of it

    run = do_again(taken_back)

    assert (run.counts["events"], run.counts["unchanged"]) == (0, 3)
    leaning = Import.objects.get(pk=leaning.pk)
    assert (facts(), leaning.counts, list(SourceDay.objects.values()), leaning.refused_file.read()) == before


def test_words_are_said_as_of_when_the_file_was_imported_first(load, till):
    """What the source said since is younger."""
    taken_back = load(MEMBERS, UNTIMED, now=NOW - 3 * HOUR)
    load(MORE, UNTIMED, now=NOW - 2 * HOUR)
    card = {"context": {"externalIds": [{"type": "member_card", "id": "VIP001"}]}}
    said = identify(user="u1", city="Bergen") | card | {"timestamp": (NOW - HOUR).isoformat()}
    send(till, said, now=NOW - HOUR)
    undo(taken_back)

    do_again(taken_back)

    assert profile_of("member_card", "VIP001").attributes == {"city": "Bergen", "name": "张三"}


def test_words_that_a_row_left_out_as_known_stand_again_beside_those_that_it_said(load):
    """Once each, however often files are taken back; and what the source said otherwise since is younger."""
    card = "Card,Name,City,SMS\nVIP001,{},{},{}\n"
    mapping = {key: value for key, value in UNTIMED.items() if key != "identifiers"}
    mapping |= {"identifiers": {"Card": "member_card"}}
    names = load("Card,Name\nVIP001,Zhang\n", {**mapping, "traits": {"Name": "name"}, "consents": {}},
                 now=NOW - 4 * HOUR)  # fmt: skip
    consents = load("Card,SMS\nVIP001,yes\n", {**mapping, "traits": {}}, now=NOW - 3 * HOUR)
    leaning = load(card.format("Zhang", "Oslo", "yes"), mapping, now=NOW - 2 * HOUR)
    load(card.format("Zhang", "Bergen", "yes"), mapping, now=NOW - HOUR)
    assert leaning.counts == {"changed": 1, "known_words": 2, "refused_rows": []}
    assert leaning in leaning_on(names)
    before = facts()["said"], facts()["consents"]

    for taken_back in (names, consents):
        undo(taken_back)
        assert (facts()["said"], facts()["consents"]) != before
        do_again(taken_back)
        assert (facts()["said"], facts()["consents"]) == before

    said = Event.objects.filter(import_id=leaning.pk).order_by("pk").values_list("properties", flat=True)
    assert list(said) == [{"city": "Oslo"}, {"name": "Zhang"}, {"consents": {"sms": "granted"}}]
    assert set(Event.objects.filter(import_id=leaning.pk).values_list("occurred_at", flat=True)) == {NOW - 2 * HOUR}


def test_files_come_in_their_order_so_that_later_ones_find_the_people_of_earlier_ones(load):
    taken_back = load(MEMBERS, MEMBERS_MAPPING, now=NOW - 4 * HOUR)
    first = load(MORE, MEMBERS_MAPPING, now=NOW - 3 * HOUR)
    known = load(MORE, {**MEMBERS_MAPPING, "people": "known"}, now=NOW - 2 * HOUR)
    undo(taken_back)

    run = do_again(taken_back)

    assert run.counts["again"] == [str(first.pk), str(known.pk)]
    assert (run.counts["new"], run.counts["changed"], len(people())) == (3, 0, 4)


def test_what_the_same_file_tagged_comes_again_and_what_another_tagged_had_stayed(load):
    """A hand that took a tag off since is not overruled by the other file."""
    tag = TagFactory(key="vip", kind="manual")
    mapping = {**MEMBERS_MAPPING, "tags": [{"tag": "vip"}]}
    taken_back = load(MEMBERS, mapping, now=NOW - 4 * HOUR)
    load(MEMBERS, mapping, now=NOW - 3 * HOUR)
    load(MORE, mapping, now=NOW - 2 * HOUR)
    TagAssignment.objects.filter(profile=profile_of("member_card", "VIP004")).delete()
    undo(taken_back)
    assert TagAssignment.objects.count() == 3

    do_again(taken_back)

    carriers = TagAssignment.objects.filter(tag=tag).values_list("profile", flat=True)
    assert set(carriers) == {profile_of("member_card", f"VIP00{n}").pk for n in (1, 2, 3)}


def test_files_that_are_gone_or_cannot_be_read_are_told_and_the_others_are_done(load):
    taken_back = load(MEMBERS, MEMBERS_MAPPING, now=NOW - 5 * HOUR)
    gone, odd, done = (load(MORE + "\n" * n, MEMBERS_MAPPING, now=NOW - (4 - n) * HOUR) for n in range(3))
    Path(gone.file.path).unlink()
    Import.objects.filter(pk=odd.pk).update(mapping={"identifiers": {"Card": "till card"}, "traits": {"Name": "name"}})
    undo(taken_back)
    assert [(found.import_, found.is_kept) for found in lost(taken_back)] == [
        (gone, False),
        (odd, True),
        (done, True),
    ]
    assert list(missing(taken_back)) == [odd, done]

    run = do_again(taken_back)

    assert run.state == Run.State.FAILED
    reason = 'mapping, "identifiers.Card": unknown kind of identifier “till card”'
    assert run.error.startswith(f"Not imported again: #{odd.pk}: {reason}")
    assert [run.counts["again"], run.counts["not_again"][0].startswith(f"{odd.pk}: {reason}")] == [[str(done.pk)], True]
    assert [found.is_again for found in lost(taken_back)] == [False, False, True]
    assert list(missing(taken_back)) == [odd]
    assert [error_of(Import.objects.get(pk=each.pk))[: len(reason)] for each in (gone, odd, done)] == ["", reason, ""]
    assert len(people()) == 4


def test_reasons_outlive_a_crash_of_the_run_that_told_them(load, monkeypatch):
    taken_back = load(MEMBERS, MEMBERS_MAPPING, now=NOW - 4 * HOUR)
    gone, cut = (load(MORE + "\n" * n, MEMBERS_MAPPING, now=NOW - (3 - n) * HOUR) for n in range(2))
    undo(taken_back)
    run = import_again(taken_back, user=None)
    Path(gone.file.path).unlink()
    whole = engine.take_in

    def cut_off(*args):
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(engine, "take_in", cut_off)
    execute_run(run.pk, now=NOW)
    monkeypatch.setattr(engine, "take_in", whole)
    execute_run(run.pk, now=NOW)

    run.refresh_from_db()
    reason = "The file cannot be read: it is not there"
    assert (run.error, run.counts["again"]) == (f"Not imported again: #{gone.pk}: {reason}", [str(cut.pk)])
    assert [error_of(Import.objects.get(pk=each.pk)) for each in (gone, cut)] == [reason, ""]


def test_once_all_are_through_no_file_is_looked_for(load, monkeypatch):
    taken_back = load(MEMBERS, MEMBERS_MAPPING, now=NOW - 4 * HOUR)
    load(MORE, MEMBERS_MAPPING, now=NOW - 3 * HOUR)
    undo(taken_back)
    do_again(taken_back)

    monkeypatch.setattr(FileSystemStorage, "exists", None)

    assert list(missing(Import.objects.get(pk=taken_back.pk))) == []


def test_a_run_that_was_cut_off_goes_on_where_it_was(load, monkeypatch):
    monkeypatch.setattr(engine, "BATCH_ROWS", 2)
    taken_back = load(MEMBERS, MEMBERS_MAPPING, now=NOW - 4 * HOUR)
    n_files = 2
    for n in range(n_files):
        load(MORE + "\n" * n, MEMBERS_MAPPING, now=NOW - (3 - n) * HOUR)
    undo(taken_back)
    whole, n_batches = engine.take_in, 0

    def cut_off(job, batch, note):
        nonlocal n_batches
        n_batches += 1
        if n_batches % 2 == 0:
            raise OperationalError("server closed the connection unexpectedly")
        whole(job, batch, note)

    monkeypatch.setattr(engine, "take_in", cut_off)
    run = import_again(taken_back, user=None)
    for _time in range(20):
        execute_run(run.pk, now=NOW)
    run.refresh_from_db()

    assert (run.state, run.error, run.done) == (Run.State.SUCCEEDED, "", run.total)
    assert (run.counts["new"], run.counts["changed"], run.counts["unchanged"]) == (3, 0, 2 * 4 - 3)
    assert len(people()) == 4


def test_one_that_was_stopped_is_asked_for_again(load):
    taken_back = load(MEMBERS, MEMBERS_MAPPING, now=NOW - 4 * HOUR)
    leaning = load(MORE, MEMBERS_MAPPING, now=NOW - 3 * HOUR)
    undo(taken_back)
    cancel_run(import_again(taken_back, user=None).pk, now=NOW)
    assert Import.objects.with_state().get(pk=leaning.pk).state == Import.State.COMPLETE

    assert do_again(taken_back).state == Run.State.SUCCEEDED


def test_it_is_refused_where_nothing_is_missing_and_while_others_work(load):
    standing = load(MEMBERS, MEMBERS_MAPPING, now=NOW - 4 * HOUR)
    leaning = load(MORE, MEMBERS_MAPPING, now=NOW - 3 * HOUR)
    with pytest.raises(ImportStateError, match="was not taken back"):
        import_again(standing, user=None)
    undo(standing)
    cancelled = take_back(leaning, user=None)
    with pytest.raises(ImportStateError, match="no later file"):
        import_again(standing, user=None)
    cancel_run(cancelled.pk, now=NOW)
    run = import_again(standing, user=None)
    leaning.refresh_from_db()

    with pytest.raises(ImportStateError, match="being worked on"):
        take_back(leaning, user=None)
    with pytest.raises(ImportStateError, match=f"worked on: #{leaning.pk}"):
        import_again(standing, user=None)
    execute_run(run.pk, now=NOW)
    with pytest.raises(ImportStateError, match="no later file"):
        import_again(standing, user=None)


def test_files_of_a_disabled_source_are_not_imported_again(load):
    standing = load(MEMBERS, MEMBERS_MAPPING, now=NOW - 4 * HOUR)
    load(MORE, MEMBERS_MAPPING, now=NOW - 3 * HOUR)
    undo(standing)
    Source.objects.filter(pk=standing.source_id).update(is_enabled=False)

    with pytest.raises(ImportFileError, match="is disabled"):
        import_again(standing, user=None)

    assert not Run.objects.filter(kind="import_again").exists()


def test_later_files_that_found_rows_as_they_stood_are_told(load):
    """Their rows were not written twice, so what this import had written of them goes with it."""
    taken_back = load(MEMBERS, MEMBERS_MAPPING, now=NOW - timedelta(days=3))
    load(SALES, SALES_MAPPING, source=SourceFactory(), now=NOW - timedelta(days=2))
    later = load(MORE, MEMBERS_MAPPING, now=NOW - timedelta(days=2))

    assert list(leaning_on(taken_back)) == [later]
    assert list(leaning_on(later)) == []
    undo(taken_back)
    assert {dict(keys)["member_card"] for keys in people()} == {"VIP001", "VIP004"}
    assert list(leaning_on(taken_back)) == [later]


def test_later_is_what_began_later_also_where_it_was_uploaded_earlier(load):
    """A file may wait for its mapping while others of its source are imported."""
    began_later = load(MORE, MEMBERS_MAPPING, now=NOW - timedelta(days=1))
    taken_back = load(MEMBERS, MEMBERS_MAPPING, now=NOW - timedelta(days=3))
    Import.objects.filter(pk=began_later.pk).update(counts={"unchanged": 1})
    Import.objects.filter(pk=taken_back.pk).update(counts={"unchanged": 1})
    draft = Import.objects.get(pk=taken_back.pk)
    draft.started_at = None

    assert list(leaning_on(taken_back)) == [began_later]
    assert list(leaning_on(began_later)) == []
    assert list(leaning_on(draft)) == []


@pytest.mark.parametrize(("people_are", "leans"), [("", False), ("create", True)])
def test_a_list_that_only_tags_loses_nothing(people_are, leans, load):
    TagFactory(key="vip")
    first = load(MEMBERS, UNTIMED, now=NOW - 3 * HOUR)
    mapping = {"identifiers": {"Card": "member_card"}, "people": people_are, "tags": [{"tag": "vip"}]}
    listed = load("Card\nVIP 001\n", mapping, now=NOW - 2 * HOUR)

    assert [each.import_ for each in lost(first)] == ([listed] if leans else [])
    undo(first)

    assert list(TagAssignment.objects.values_list("profile__identifiers__value", flat=True)) == ["VIP001"]
    assert [each.import_ for each in lost(first)] == ([listed] if leans else [])
