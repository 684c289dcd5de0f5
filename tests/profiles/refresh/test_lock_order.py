"""Locks are taken in one order, identity, people by id, feeds: whoever waits for one holds none that comes later."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from psycopg.errors import LockNotAvailable

from cdp.feeds import FeedLock
from cdp.locks import lock_key, own_session
from cdp.rules.causes import Cause
from cdp.rules.holders import holder_of
from profiles.ingest.accept import accept_messages
from profiles.ingest.process import process_batch
from profiles.models import Profile, ProfileChange, ProfileMerge, ProfileSplit, Separation, Source
from profiles.refresh.changes import refresh_changes
from profiles.refresh.full import refresh_in_full
from profiles.services.identity import lift_separation, merge_profiles, split_profile, undo_merge
from segments.models import Membership, Segment, TierStanding
from segments.services import add_members, remove_members
from tags.models import Tag
from tags.services import assign_tag, unassign_tag
from tests.elsewhere import Elsewhere
from tests.factories.profiles import SEEN_AT, IdentifierFactory, ProfileFactory, SourceFactory
from tests.factories.segments import SegmentFactory, StaticSegmentFactory, TierSchemeFactory, lives_in
from tests.factories.tags import TagFactory
from tests.profiles.ingest.messages import identify

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

FEEDS = [lock_key("feed", lock.value) for lock in FeedLock]  # in order
NAMES = ("a1", "a2", "a3")


@pytest.fixture
def people() -> list[Profile]:
    """Three, by id and since when they were seen, who live in Oslo."""
    found: list[Profile] = []
    for number, name in enumerate(NAMES):
        at = SEEN_AT + timedelta(days=number)
        profile = ProfileFactory(attributes={"city": "Oslo"}, first_seen_at=at)
        IdentifierFactory(profile=profile, kind_key="anonymous_id", value=name, first_seen_at=at)
        found.append(profile)
    SourceFactory(key="shop")
    SegmentFactory(key="oslo")
    TierSchemeFactory(key="club", tiers={"gold": lives_in("Oslo"), "basic": None})
    StaticSegmentFactory(key="guests")
    TagFactory(key="plain")
    return found


def have_much_to_do(people: list[Profile]) -> None:
    """The first two stand nowhere, are to be judged, and say where they live now; they may be one."""
    now = timezone.now()
    for separation in Separation.objects.in_force():
        lift_separation(separation, user=None, now=now)
    Membership.objects.filter(segment__key="oslo").delete()
    TierStanding.objects.all().delete()
    ProfileChange.objects.all().delete()
    for profile in people[:2]:
        ProfileChange.objects.create(profile_id=profile.pk, topic="created", due_at=now)
    told = [identify(anonymous=name, city="Oslo") for name in NAMES[:2]]
    accept_messages(Source.objects.get(key="shop"), told, received_at=now)


def ids(*places: int) -> list[int]:
    found = list(Profile.objects.filter(merged_into=None).order_by("pk").values_list("pk", flat=True))
    return [found[place] for place in places]


def guests() -> Segment:
    return Segment.objects.get(key="guests")


def plain() -> Tag:
    return Tag.objects.get(key="plain")


def in_full(key: str) -> None:
    refresh_in_full(holder_of(key), now=timezone.now, cause=Cause.RULE)


def hear() -> None:
    process_batch(now=timezone.now())


def merged() -> None:
    merge_profiles(ids(0, 1), user=None, now=timezone.now())


def undone() -> None:
    undo_merge(ProfileMerge.objects.get(undone_at=None), user=None, now=timezone.now())


def split() -> None:
    profile = Profile.objects.get(pk=ids(0)[0])
    split_profile(profile, profile.identifiers.filter(value="a2"), user=None, now=timezone.now())


JOBS_OF_PEOPLE: dict[str, Callable[[], Any]] = {
    "by change": lambda: refresh_changes(now=timezone.now),
    "segment in full": lambda: in_full("segment:oslo"),
    "tiers in full": lambda: in_full("tier:club"),
    "add members": lambda: add_members(guests(), ids(0, 1), now=timezone.now()),
    "remove members": lambda: remove_members(guests(), ids(0, 1), now=timezone.now()),
    "assign": lambda: assign_tag(plain(), ids(0, 1), now=timezone.now()),
    "unassign": lambda: unassign_tag(plain(), ids(0, 1), now=timezone.now()),
    "messages": hear,
    "merge": merged,
}
JOBS_OF_IDENTITY: dict[str, Callable[[], Any]] = {"messages": hear, "merge": merged, "undo": undone, "split": split}
JOBS = JOBS_OF_PEOPLE | JOBS_OF_IDENTITY


class Other:
    """A session beside the job, which takes what the job then waits for."""

    def __init__(self, session: Any) -> None:
        self.session = session

    def ask(self, statement: str, *params: Any) -> list[Any]:
        rows: list[Any] = self.session.execute(statement, params).fetchall()
        return rows

    def lock(self, profile_id: int) -> None:
        """Raises LockNotAvailable where somebody has the person."""
        self.ask("SELECT FROM profiles_profile WHERE id = %s FOR NO KEY UPDATE NOWAIT", profile_id)

    def is_free(self, key: int) -> bool:
        return bool(self.ask("SELECT pg_try_advisory_xact_lock(%s)", key)[0][0])


@contextmanager
def beside(job: Callable[[], Any], take: Callable[[Other], Any]) -> Iterator[Other]:
    """While the job waits for what the other session has taken; then that lets go, and the job comes to its end."""
    waiting: Elsewhere | None = None
    try:
        with own_session() as session, session.transaction():
            other = Other(session)
            take(other)
            waiting = Elsewhere(job)
            assert waiting.come_as_far_as_it_can(), "it does not wait"
            yield other
    finally:
        if waiting is not None:
            waiting.finish()


def test_who_waits_for_a_person_holds_no_later_one_and_no_feed(people):
    for name, job in JOBS_OF_PEOPLE.items():
        have_much_to_do(people)
        with beside(job, lambda other: other.lock(people[0].pk)) as other:
            other.lock(people[1].pk)
            assert [other.is_free(key) for key in FEEDS] == [True, True, True], name

    assert Profile.objects.current().count() == 2


def test_who_waits_for_what_makes_people_one_holds_nobody_and_no_feed(people):
    for name, job in JOBS_OF_IDENTITY.items():
        have_much_to_do(people)
        if name == "split":
            merged()
        with beside(job, lambda other: other.is_free(lock_key("identity"))) as other:
            for person in people:
                other.lock(person.pk)
            assert [other.is_free(key) for key in FEEDS] == [True, True, True], name

    assert ProfileSplit.objects.count() == 2


def test_who_waits_for_a_feed_holds_no_later_one_and_has_locked_whom_it_tells_of(people):
    add_members(guests(), [people[1].pk], now=timezone.now())
    for name, places in {"by change": [0, 1], "merge": [0, 1, 2], "undo": [0, 2]}.items():
        for place in places:
            have_much_to_do(people)
            if ProfileMerge.objects.filter(undone_at=None).exists():
                undone()
                have_much_to_do(people)
            if name != "by change":
                in_full("segment:oslo")
                in_full("tier:club")
            if name == "undo":
                merged()
            with beside(JOBS[name], lambda other, key=FEEDS[place]: other.is_free(key)) as other:
                assert [other.is_free(key) for key in FEEDS[place + 1 :]] == [True] * (2 - place), name
                with pytest.raises(LockNotAvailable), other.session.transaction():
                    other.lock(people[0].pk)
