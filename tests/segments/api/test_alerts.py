"""Alerts of sizes over HTTP."""

import pytest

from segments.models import SizeAlert
from tests.clients import api_of
from tests.factories.profiles import SEEN_AT
from tests.factories.segments import SegmentFactory

pytestmark = pytest.mark.django_db
AT = SEEN_AT.isoformat().replace("+00:00", "Z")


@pytest.fixture
def loyal():
    return SegmentFactory(key="loyal")


def alert(segment, day, **given):
    return SizeAlert.objects.create(segment=segment, day=day, before=100, after=150, **given)


def shown(day, **given):
    known = {"before": 100, "after": 150, "is_open": True, "told_at": None, "cleared_at": None}
    return {"day": day, **known, "seen_at": None, "seen_by": None, **given}


def test_alerts_of_a_segment_are_listed_the_latest_first_and_by_whether_they_are_open(loyal):
    alert(loyal, "2026-01-01", mailed_at=SEEN_AT)
    alert(loyal, "2026-01-03", cleared_at=SEEN_AT)
    alert(loyal, "2026-01-02")
    alert(SegmentFactory(), "2026-01-02")
    api = api_of("viewer")

    rows = api.send("get", "segments/loyal/alerts/").json()["results"]

    assert rows == [
        shown("2026-01-03", cleared_at=AT, is_open=False), shown("2026-01-02"), shown("2026-01-01", told_at=AT)
    ]  # fmt: skip
    assert api.send("get", "segments/loyal/alerts/?open=true").json()["results"] == rows[1:]
    assert api.send("get", "segments/loyal/alerts/?open=false").json()["results"] == rows[:1]
    assert api.send("get", "segments/loyal/alerts/?open=maybe").status_code == 400
    assert api.send("get", "segments/nothing/alerts/").status_code == 404


def test_who_has_seen_an_alert_says_so_once(loyal):
    alert(loyal, "2026-01-01")
    ann, bo = api_of("operator"), api_of("integration")

    first = ann.send("post", "segments/loyal/alerts/seen/", {"day": "2026-01-01"})
    again = bo.send("post", "segments/loyal/alerts/seen/", {"day": "2026-01-01"})
    other_day = ann.send("post", "segments/loyal/alerts/seen/", {"day": "2026-01-02"})

    stored = SizeAlert.objects.get()
    assert stored.seen_by is not None
    said = shown("2026-01-01", is_open=False, seen_by=stored.seen_by.username, seen_at=again.json()["seen_at"])
    assert (first.status_code, first.json()) == (200, said)
    assert again.json() == said
    assert (other_day.status_code, other_day.json()["detail"]) == (404, "There was no alert on that day.")


def test_the_share_is_set_and_unset_on_the_segment(loyal):
    api = api_of("operator")

    assert api.send("patch", "segments/loyal/", {"alert_percent": 20}).json()["alert_percent"] == 20
    assert api.send("patch", "segments/loyal/", {"alert_percent": 0}).status_code == 400
    assert api.send("patch", "segments/loyal/", {"alert_percent": None}).json()["alert_percent"] is None


def test_segments_with_an_alert_that_is_open_are_found(loyal, now):
    SegmentFactory(key="calm")
    SizeAlert.objects.create(segment=loyal, day="2999-01-01", before=100, after=150)

    def keys(query):
        return [row["key"] for row in api_of("viewer").send("get", f"segments/?{query}").json()["results"]]

    assert (keys("open_alert=true"), keys("open_alert=false"), keys("")) == (["loyal"], ["calm"], ["calm", "loyal"])
