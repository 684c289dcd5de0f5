"""Sizes by day, and alerts where they change too much."""

from datetime import date, timedelta
from smtplib import SMTPException

import pytest
import time_machine
from django.core import mail

from cdp import by_day
from cdp.by_day import sizes_by_day, with_sizes
from segments.models import Segment, SegmentDay, SizeAlert
from segments.services import archive_segment
from segments.services.sizes import count_days, recent_alerts, watch_sizes
from tests.clients import api_of
from tests.factories.cdp import UserFactory
from tests.factories.profiles import SEEN_AT, ProfileFactory
from tests.factories.segments import MembershipChangeFactory, SegmentFactory
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db
FIRST = date(2026, 1, 1)  # SEEN_AT is its eighth hour in Shanghai


def moves(segment, n, change="entered", *, days=0, hours=0):
    at = SEEN_AT + timedelta(days=days, hours=hours)
    person = ProfileFactory()
    for _index in range(n):
        MembershipChangeFactory(segment=segment, profile=person, change=change, at=at)


def test_changes_are_counted_once_into_their_business_days(monkeypatch):
    monkeypatch.setattr(by_day, "CHUNK", 2)
    segment = SegmentFactory()
    moves(segment, 3)
    moves(segment, 1, "left", hours=15)  # 23:00 of the day
    moves(segment, 1, hours=16)  # midnight

    counted = [count_days(), count_days()]
    moves(segment, 2, "left", days=3)
    counted.append(count_days())
    days = SegmentDay.objects.filter(segment=segment)

    assert counted == [5, 0, 2]
    assert sizes_by_day(days, until=FIRST + timedelta(days=4), n_days=9) == [
        (FIRST, 2, 3, 1),
        (FIRST + timedelta(days=1), 3, 1, 0),
        (FIRST + timedelta(days=2), 3, 0, 0),
        (FIRST + timedelta(days=3), 1, 0, 2),
        (FIRST + timedelta(days=4), 1, 0, 0),
    ]
    assert [row.n_members for row in with_sizes(days, "segment")] == [1, 3, 2]
    later = sizes_by_day(days, until=FIRST + timedelta(days=3), n_days=2)
    assert [day.n_members for day in later] == [3, 1]


def watched(after, *, percent=20, **values):
    """A segment of ten on the first day, and so many more or fewer on the second."""
    segment = SegmentFactory(alert_percent=percent, **values)
    moves(segment, 10)
    if after:
        moves(segment, abs(after), "entered" if after > 0 else "left", days=1)
    return segment


@pytest.mark.parametrize(("after", "is_alarming"), [(2, False), (3, True), (-3, True), (-2, False), (0, False)])
def test_a_change_of_more_than_the_share_is_noted_once(after, is_alarming):
    segment = watched(after)

    for hours in (1, 2):
        watch_sizes(now=SEEN_AT + timedelta(days=1, hours=hours))

    found = list(SizeAlert.objects.values_list("segment", "day", "before", "after"))
    assert found == ([(segment.pk, FIRST + timedelta(days=1), 10, 10 + after)] if is_alarming else [])


def test_what_was_counted_only_after_midnight_is_noted_too():
    watched(-5)

    watch_sizes(now=SEEN_AT + timedelta(days=2))

    assert [alert.day for alert in SizeAlert.objects.all()] == [FIRST + timedelta(days=1)]


def test_neither_the_archive_nor_who_asked_for_none_is_alarming():
    watched(-5, percent=None)
    archive_segment(watched(-5), user=UserFactory(), now=SEEN_AT)

    watch_sizes(now=SEEN_AT + timedelta(days=1, hours=1))

    assert not SizeAlert.objects.exists()


def test_the_owner_is_told_once_where_mail_is_set_up(settings):
    settings.LANGUAGE_CODE = "en"
    segment = watched(-5, name="Loyal", owner=UserFactory(email="ann@example.com"))
    watched(-5, owner=UserFactory(email=""))
    now = SEEN_AT + timedelta(days=1, hours=1)

    watch_sizes(now=now)
    n_before = len(mail.outbox)
    settings.IS_MAIL_SET_UP = True
    watch_sizes(now=now)
    watch_sizes(now=now)

    assert n_before == 0
    (sent,) = mail.outbox
    assert (sent.to, sent.subject) == (["ann@example.com"], "Size of “Loyal”: 10 → 5")
    assert "changed from 10 to 5 (−50%), by more than 20%." in sent.body
    assert f"/admin/segments/segment/{segment.pk}/sizes/" in sent.body


def test_what_the_mail_server_refuses_is_sent_later_and_others_are_told(settings, monkeypatch):
    for name in ("Loyal", "Lost"):
        watched(-5, name=name, owner=UserFactory(email=f"{name.lower()}@example.com"))
    now = SEEN_AT + timedelta(days=1, hours=1)
    settings.IS_MAIL_SET_UP = True
    asked = []

    def refuse_the_first(*message):
        asked.append(message)
        if len(asked) == 1:
            raise SMTPException

    with monkeypatch.context() as patch:
        patch.setattr("segments.services.sizes.send_mail", refuse_the_first)
        watch_sizes(now=now)

    watch_sizes(now=now)
    watch_sizes(now=now)

    assert (len(asked), len(mail.outbox)) == (2, 1)
    assert not SizeAlert.objects.filter(mailed_at=None).exists()


def open_days(now):
    return [alert.day for alert in recent_alerts(now=now)]


def test_an_alert_follows_its_day_and_clears_when_the_size_is_back():
    segment = watched(-5)
    noon = SEEN_AT + timedelta(days=1, hours=4)
    watch_sizes(now=noon)
    assert open_days(noon) == [FIRST + timedelta(days=1)]

    moves(segment, 4, days=1, hours=5)
    watch_sizes(now=noon + timedelta(hours=2))
    alert = SizeAlert.objects.get()
    assert (alert.after, alert.change, alert.cleared_at) == (9, "−10%", noon + timedelta(hours=2))
    assert open_days(noon) == []
    moves(segment, 3, "left", days=1, hours=7)
    watch_sizes(now=noon + timedelta(hours=4))

    assert SizeAlert.objects.get().cleared_at is None
    assert open_days(noon) == [FIRST + timedelta(days=1)]


def test_an_alert_stays_while_the_size_stays_away_and_clears_on_a_later_day():
    segment = watched(-5)
    watch_sizes(now=SEEN_AT + timedelta(days=1, hours=1))
    second, third = (SEEN_AT + timedelta(days=days, hours=1) for days in (2, 3))

    watch_sizes(now=second)
    stays = open_days(second)
    moves(segment, 4, days=3)
    watch_sizes(now=third)

    assert stays == [FIRST + timedelta(days=1)]
    assert open_days(third) == [FIRST + timedelta(days=3)]  # 5 → 9 is a change too
    assert list(SizeAlert.objects.order_by("day").values_list("after", flat=True)) == [5, 9]


def test_an_alert_of_yesterday_that_was_cleared_stays_so():
    segment = watched(-5)
    watch_sizes(now=SEEN_AT + timedelta(days=1, hours=1))
    moves(segment, 5, days=2)
    first, second = (SEEN_AT + timedelta(days=2, hours=hours) for hours in (1, 2))

    for now in (first, second):
        watch_sizes(now=now)

    assert SizeAlert.objects.get(day=FIRST + timedelta(days=1)).cleared_at == first


def test_who_asks_for_no_alert_any_more_sees_none():
    segment = watched(-5)
    now = SEEN_AT + timedelta(days=1, hours=1)
    watch_sizes(now=now)
    Segment.objects.filter(pk=segment.pk).update(alert_percent=None)

    watch_sizes(now=now)

    assert open_days(now) == []


@time_machine.travel(SEEN_AT + timedelta(days=1, hours=1), tick=False)
def test_an_alert_is_shown_until_somebody_has_seen_it():
    segment = watched(-5, name="Loyal")
    watch_sizes(now=SEEN_AT + timedelta(days=1, hours=1))
    alert = SizeAlert.objects.get()
    client, seen = sign_in("operator"), f"/admin/segments/segment/alert/{alert.pk}/seen/"
    sizes = f"/admin/segments/segment/{segment.pk}/sizes/"
    words = "On 2026-01-02 its size changed from 10 to 5 (−50%)."
    shown = [words in client.get(page).content.decode() for page in ("/admin/", sizes, f"{sizes[:-6]}change/")]

    assert [sign_in("viewer").post(seen).status_code, client.get(seen).status_code] == [403, 405]
    assert client.post(seen, {"back": "/admin/"})["Location"] == "/admin/"
    assert client.post(seen, {"back": "https://example.com/"})["Location"] == sizes

    assert shown == [True, True, True]
    pages = [client.get(page).content.decode() for page in ("/admin/", sizes)]
    assert [words in page for page in pages] == [False, False]
    assert "Seen by" in pages[1]
    assert open_days(SEEN_AT + timedelta(days=1)) == []


def test_pages_and_api_show_sizes_and_alerts():
    segment = SegmentFactory(key="oslo")
    MembershipChangeFactory(segment=segment, at=SEEN_AT)
    count_days()

    page = sign_in("viewer").get(f"/admin/segments/segment/{segment.pk}/sizes/?days=365").content.decode()
    answer = api_of("viewer").send("get", "segments/oslo/sizes/").json()["results"]

    assert "2026-01-01" in page
    assert answer == [{"day": "2026-01-01", "n_members": 1, "n_entered": 1, "n_left": 0}]
    assert SegmentDay.objects.count() == 1
