"""Moments follow golden records; the laws of folding and of identity check it too."""

from datetime import UTC, datetime, timedelta

import pytest

from cdp.models import Run
from cdp.runs import execute_run
from profiles.ingest.moments import write_moments
from profiles.models import AttributeDefinition, ProfileMoment
from profiles.services.definitions import refold, save_attribute
from profiles.services.erase import erase_empty
from profiles.services.moments import INDEX_MOMENTS
from tests.factories.profiles import AttributeDefinitionFactory, ProfileFactory, SourceFactory
from tests.moments import check_moments
from tests.profiles.ingest.messages import START, identify, profile_of, send

pytestmark = pytest.mark.django_db
NOW = START + timedelta(days=1)


def rows():
    return set(ProfileMoment.objects.values_list("definition__key", "at", "month_day"))


def test_a_date_is_its_midnight_in_utc_and_a_time_has_its_business_day():
    AttributeDefinitionFactory(key="met_at", type="datetime")

    send(SourceFactory(), identify(user="u1", birthday="2000-02-29", met_at="2026-03-01T17:30:00Z", city="Oslo"))

    assert rows() == {
        ("birthday", datetime(2000, 2, 29, tzinfo=UTC), 229),
        ("met_at", datetime(2026, 3, 1, 17, 30, tzinfo=UTC), 302),
    }


def test_it_follows_the_next_value_and_goes_with_it():
    shop = SourceFactory()
    send(shop, identify(user="u1", birthday="2000-02-29"))

    send(shop, identify(user="u1", at=1, birthday="2001-03-01"))
    assert rows() == {("birthday", datetime(2001, 3, 1, tzinfo=UTC), 301)}

    send(shop, identify(user="u1", at=2, birthday="2023-02-30"))
    assert rows() == set()  # what does not fit hides what came before

    send(shop, identify(user="u1", at=3, birthday="0001-01-01"))
    assert rows() == {("birthday", datetime(1, 1, 1, tzinfo=UTC), 101)}

    send(shop, identify(user="u1", at=4, birthday=None))
    assert rows() == set()


def test_who_says_nothing_of_dates_costs_one_query(django_assert_num_queries):
    with django_assert_num_queries(1):
        write_moments({1: {"city": "Oslo"}, 2: {"city": None}})


def test_a_time_at_the_end_of_the_calendar_has_the_day_of_utc():
    AttributeDefinitionFactory(key="ends_at", type="datetime")

    send(SourceFactory(), identify(user="u1", ends_at="9999-12-31T23:59:59Z"))

    assert ProfileMoment.objects.get().month_day == 1231


@pytest.mark.parametrize(
    "order", [("text", "date", "datetime"), ("date", "text", "date"), ("datetime", "date", "list")]
)
def test_another_type_writes_them_anew(order):
    AttributeDefinitionFactory(key="since", type=order[0])
    send(SourceFactory(), identify(user="u1", since="2026-05-04"), identify(user="u2", since="soon"))
    check_moments()

    for type_ in order[1:]:
        definition = AttributeDefinition.objects.get(key="since")
        definition.type = type_
        refold(save_attribute(definition, user=None))
        check_moments()


def test_they_go_with_the_erased_and_with_the_definition():
    send(SourceFactory(), identify(user="u1", birthday="2000-02-29"), identify(user="u2", birthday="2000-02-28"))
    erased = profile_of("user_id", "u1")
    erased.identifiers.all().delete()

    assert erase_empty([erased.pk], now=NOW) == [erased.pk]
    assert rows() == {("birthday", datetime(2000, 2, 28, tzinfo=UTC), 228)}

    AttributeDefinition.objects.get(key="birthday").delete()
    assert rows() == set()


def test_a_run_indexes_those_who_were_there_before(monkeypatch):
    monkeypatch.setattr("profiles.services.moments.CHUNK", 2)
    people = [ProfileFactory(attributes={"birthday": f"199{n}-05-04"}) for n in range(5)]
    ProfileFactory(attributes={"birthday": "a text from before it was a date", "city": "Oslo"})
    ProfileMoment.objects.create(
        profile=people[0],
        definition=AttributeDefinition.objects.create(key="gone", type="date"),
        at=NOW,
        month_day=301,
    )
    run = Run.objects.create(kind=INDEX_MOMENTS, subject="moments")

    execute_run(run.pk, now=NOW)

    run.refresh_from_db()
    assert (run.state, run.done, run.error) == (Run.State.SUCCEEDED, 6, "")
    assert rows() == {("birthday", datetime(1990 + n, 5, 4, tzinfo=UTC), 504) for n in range(5)}
