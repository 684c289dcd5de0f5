"""Data quality: figures from counters, and the rows behind them."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.urls import reverse
from django.utils import timezone

from cdp.roles import OPERATOR, VIEWER
from profiles.models import EventDay, EventDefinition, IdentifierKind, KindDay, SourceDay, Violation
from tests.factories.imports import ImportFactory
from tests.factories.profiles import EventDefinitionFactory, EventFactory, SourceFactory
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db
PAGE = reverse("admin:profiles_quality")
ROWS = reverse("admin:profiles_quality_events")


def make_day(n=1234, *, back=0, name="Booked"):
    """A source with one day of one event."""
    day, now = timezone.localdate() - timedelta(days=back), timezone.now()
    source, event = SourceFactory(), EventDefinitionFactory(name=name, is_discovered=True)
    EventDay.objects.create(source=source, definition=event, day=day, n_events=n, last_at=now)
    SourceDay.objects.create(source=source, day=day, n_messages=n + 9, n_events=n, n_rejected=7, n_duplicates=2)
    email = IdentifierKind.objects.get(key="email")
    KindDay.objects.create(source=source, kind=email, day=day, n_messages=n // 2)
    Violation.objects.create(
        source=source, day=day, event=name, rule="schema", path="properties.table", problem="is missing",
        n_messages=41, last_at=now, examples=[{"message": "m1", "value": "Ann"}],
    )  # fmt: skip
    return source, event


def test_the_figures_come_from_counters():
    make_day()

    page = sign_in(VIEWER).get(PAGE).content.decode()

    for shown in ("Booked", "1,234", "1,243", "properties.table", "50%", "41"):
        assert shown in page
    assert f'{reverse("admin:profiles_profile_changelist")}?kind=email"' in page
    assert f'?is_discovered__exact=1">{EventDefinition.objects.filter(is_discovered=True).count()}<' in page


def test_the_time_and_a_source_narrow_them_down():
    old, _event = make_day(back=20, name="Old one")
    make_day(back=3, name="New one")
    client = sign_in(VIEWER)

    names = {
        query: {name for name in ("Old one", "New one") if name in client.get(f"{PAGE}?{query}").content.decode()}
        for query in ("days=7", "days=30", f"days=30&source={old.pk}", "days=x&source=y&event=z")
    }

    both = {"Old one", "New one"}
    assert list(names.values()) == [{"New one"}, both, {"Old one"}, both]


@pytest.mark.parametrize("n", [1, 12])
def test_the_page_is_a_fixed_number_of_queries(n, django_assert_max_num_queries):
    for index in range(n):
        make_day(name=f"Event {index}")
    client = sign_in(VIEWER)
    client.get(PAGE)

    with django_assert_max_num_queries(26):
        client.get(PAGE)


def test_what_was_rejected_of_files_leads_to_their_imports():
    refusing, other = (make_day(name=name)[0] for name in ("Booked", "Sold"))
    for source, counts in ((refusing, {"new": 1, "refused": 7}), (other, {"new": 8})):
        ImportFactory(source=source, counts=counts)

    page = sign_in(VIEWER).get(PAGE).content.decode()

    link = f'href="{reverse("admin:profiles_import_changelist")}?source__id__exact='
    assert f'{link}{refusing.pk}">with rows of files</a>' in page
    assert f"{link}{other.pk}" not in page


@pytest.mark.parametrize("label", ["Booked", "Booking"])
def test_a_label_that_says_what_the_name_says_is_not_printed_twice(label):
    make_day()
    EventDefinition.objects.filter(name="Booked").update(label=label)

    table = sign_in(VIEWER).get(PAGE).content.decode().split("<table")[2]

    assert (table.count(">Booked<"), table.count(f">{label}<")) == (1, 1)


def test_a_number_opens_its_rows():
    source, event = make_day()
    EventFactory(source=source, definition=event, occurred_at=timezone.now(), properties={"table": 7, "guest": "Ann"})
    EventFactory(definition=event, occurred_at=timezone.now(), properties={"table": 8})
    today = timezone.localdate()

    def rows(role, query):
        return sign_in(role).get(f"{ROWS}?{query}").content.decode().count("&quot;table&quot;") // 2

    assert rows(VIEWER, f"event={event.pk}&since={today}") == 2
    assert rows(VIEWER, f"event={event.pk}&source={source.pk}&since={today}&until={today}") == 1
    assert rows(VIEWER, f"since={today - timedelta(days=9)}&until={today - timedelta(days=1)}") == 0
    assert "Ann" not in sign_in(VIEWER).get(f"{ROWS}?since={today}").content.decode()
    assert "Ann" in sign_in(OPERATOR).get(f"{ROWS}?since={today}").content.decode()


@pytest.mark.parametrize(
    "query",
    ["since=9999-12-31", "since=0001-01-01&until=9999-12-31", "since=x&event=y&source=-1&after=z", "event=99999"],
)
def test_a_time_or_thing_that_cannot_be_has_no_rows(query):
    assert sign_in(VIEWER).get(f"{ROWS}?{query}").status_code == 200


def test_examples_are_for_those_who_may_see_personal_data():
    make_day()
    page = reverse("admin:profiles_violation_change", args=[Violation.objects.get().pk])

    assert "Ann" not in sign_in(VIEWER).get(page).content.decode()
    assert "Ann" in sign_in(OPERATOR).get(page).content.decode()


def test_violations_are_narrowed_down_by_day():
    make_day(back=3)
    client = sign_in(VIEWER)
    page = reverse("admin:profiles_violation_changelist")

    found = {
        day: len(client.get(page, {"day": day}).context["cl"].result_list)
        for day in ("today", "week", str(timezone.localdate() - timedelta(days=3)))
    }

    assert list(found.values()) == [0, 1, 1]


def test_an_installation_without_data_says_what_to_do():
    page = sign_in(VIEWER).get(PAGE).content.decode()

    assert "They arrive with the messages of your sources" in page
    assert "No source yet" in page


def test_the_names_of_places_are_masked_where_they_are_addresses():
    source, _event = make_day(name="Paid by bo@example.com")
    Violation.objects.filter(source=source).update(path="properties.gifts.ann@example.com")
    pages = [PAGE, reverse("admin:profiles_violation_changelist")]
    pages.append(reverse("admin:profiles_violation_change", args=[Violation.objects.get().pk]))

    shown = {role: [sign_in(role).get(page).content.decode() for page in pages] for role in (VIEWER, OPERATOR)}

    assert not any("ann@example.com" in page or "ann%40" in page for page in shown[VIEWER])
    assert all("ann@example.com" in page for page in shown[OPERATOR])
    found = {role: sign_in(role).get(f"{pages[1]}?q=ann").context["cl"].result_count for role in (VIEWER, OPERATOR)}
    assert found == {VIEWER: 0, OPERATOR: 1}


def test_numbers_of_violations_open_those_of_the_same_time_and_name():
    source, _event = make_day(back=3, name="Booked")
    make_day(back=3, name="Booked again")
    old = Violation.objects.get(source=source)
    Violation.objects.create(
        source=source, day=old.day - timedelta(days=30), event="Booked", rule="schema", path=old.path, problem="is x",
        n_messages=1, last_at=timezone.now(),
    )  # fmt: skip
    client = sign_in(VIEWER)

    page = client.get(f"{PAGE}?days=30").content.decode()
    links = {unescape(link) for link in re.findall(r'href="(/admin/profiles/violation/\?[^"]*Booked[^"]*)"', page)}

    found = {link: set(client.get(link).context["cl"].result_list) for link in links if "again" not in link}
    assert len(found) == 2
    assert all(rows == {old} for rows in found.values())


def test_problems_are_told_in_the_language_of_the_reader():
    source, _event = make_day()
    Violation.objects.filter(source=source).update(problem='is not of type "number"')
    client = sign_in(VIEWER)
    client.cookies["django_language"] = "zh-hans"

    assert "应为数字" in client.get(PAGE).content.decode()
