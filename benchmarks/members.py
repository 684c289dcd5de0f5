"""Listing a page of members over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import median

from django.db import connection
from django.test import Client
from django.utils import timezone

from benchmarks.crowd import make_crowd
from benchmarks.figure import Figure, Sizes, benchmark, stopwatch
from cdp.roles import VIEWER
from cdp.rules.causes import Cause
from cdp.rules.holders import holder_of
from cdp.tokens import issue_token
from profiles.refresh.full import refresh_in_full

PAGE, TIMES = 100, 50


@benchmark("members")
def members(sizes: Sizes) -> Iterator[Figure]:
    now = timezone.now()
    segment, _params = make_crowd(sizes.profiles, now=now)
    refresh_in_full(holder_of(f"segment:{segment.key}"), now=now, cause=Cause.RULE)
    client = client_of_viewer()

    def by_api() -> int:
        answer = client.get(f"/api/v1/segments/{segment.key}/members/?page_size={PAGE}")
        assert answer.status_code == 200, answer.content
        return len(answer.json()["results"])

    def by_hand() -> int:
        with connection.cursor() as cursor:
            cursor.execute(
                """
                SELECT profile.public_id, membership.entered_at
                FROM segments_membership AS membership
                JOIN profiles_profile AS profile ON profile.id = membership.profile_id
                WHERE membership.segment_id = %s
                ORDER BY membership.profile_id
                LIMIT %s
                """,
                [segment.pk, PAGE],
            )
            return len(cursor.fetchall())

    yield Figure("members_page", PAGE, "members", typical(by_api), "the SELECT by hand", typical(by_hand))


def typical(page: Callable[[], int]) -> float:
    """The median seconds of a page, after a first one that is not counted."""
    assert page() == PAGE
    seconds = []
    for _time in range(TIMES):
        with stopwatch() as watch:
            page()
        seconds.append(watch.seconds)
    return median(seconds)


def client_of_viewer() -> Client:
    """A client whose token was used a moment ago, so that no page writes its use."""
    token, text = issue_token("bench", role=VIEWER)
    token.last_used_at = timezone.now()
    token.save()
    return Client(headers={"Authorization": f"Bearer {text}"}, SERVER_NAME="localhost")
