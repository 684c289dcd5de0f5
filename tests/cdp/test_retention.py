from datetime import timedelta

import pytest

from cdp import retention
from cdp.models import FeedStart, Subscription, WebhookMessage
from cdp.retention import purge_feeds, purge_messages
from segments.models import MembershipChange, TierChange
from tests.clients import api_of
from tests.factories.profiles import ProfileFactory
from tests.factories.segments import MembershipChangeFactory, SegmentFactory, TierChangeFactory
from tests.factories.webhooks import WebhookAttemptFactory, WebhookFactory, WebhookMessageFactory

pytestmark = pytest.mark.django_db


def make(n, *, at):
    """Changes that leave nothing behind."""
    return [MembershipChangeFactory(change="left", at=at).pk for _ in range(n)]


def kept():
    return list(MembershipChange.objects.order_by("pk").values_list("pk", flat=True))


def test_old_changes_go_in_chunks_and_the_feed_says_where_it_starts(now, monkeypatch):
    monkeypatch.setattr(retention, "CHUNK", 2)
    first, last, young = (now - timedelta(days=days) for days in (12, 11, 10))
    ann, bo = ProfileFactory.create_batch(2)
    segment = SegmentFactory()
    old = [
        MembershipChangeFactory(segment=segment, profile=profile, change=change, at=at).pk
        for profile, change, at in [
            (ann, "entered", first), (bo, "entered", first), (ann, "left", last), (ann, "entered", last),
            (bo, "left", last),
        ]
    ]  # fmt: skip
    new = make(1, at=young)
    TierChangeFactory(at=now)

    purge_feeds(now=now, days=10)

    assert kept() == [old[3], *new]  # Ann is in since then
    assert TierChange.objects.count() == 1
    assert FeedStart.objects.get().at == last
    assert list(FeedStart.objects.values_list("feed", "after")) == [("segments", old[-1])]


def test_nothing_goes_where_all_is_kept(now):
    made = make(2, at=now - timedelta(days=10_000))

    purge_feeds(now=now, days=0)

    assert kept() == made


@pytest.mark.parametrize("disabled", [False, True])
def test_what_a_webhook_has_not_sent_stays(disabled, now):
    first, *rest = make(3, at=now - timedelta(days=11))
    webhook = WebhookFactory(disabled_at=now if disabled else None)
    Subscription.objects.create(webhook=webhook, feed="segments", after=first)

    purge_feeds(now=now, days=10)

    assert kept() == rest


def test_a_reader_of_what_is_deleted_is_told_so(now):
    segment = SegmentFactory(key="vip")
    old, last_old, new = (
        MembershipChangeFactory(segment=segment, change="left", at=now - timedelta(days=days)).pk
        for days in (20, 12, 1)
    )
    purge_feeds(now=now, days=10)
    api = api_of("viewer")

    for feed in ("segments/changes/", "segments/vip/changes/"):
        gone = api.send("get", f"{feed}?after={old}")
        assert (gone.status_code, gone.json()["type"].rsplit("/", 1)[1]) == (410, "gone")
        assert api.send("get", f"{feed}?after={gone.json()['next_after']}").status_code == 200
        assert f"after={last_old}" in gone.json()["detail"]
        assert api.send("get", f"{feed}?after=0").status_code == 410
        for query in ("", f"?after={last_old}"):
            page = api.send("get", feed + query).json()
            assert ([row["id"] for row in page["results"]], page["next_after"]) == ([new], new)


def test_who_was_in_is_known_as_of_any_later_moment(now):
    """Whoever comes and goes: as of a moment that is kept, the purge changes no answer."""
    segment, people = SegmentFactory(key="vip"), ProfileFactory.create_batch(4)
    moments = [now - timedelta(days=40 - n) for n in range(30)]
    for n, at in enumerate(moments):
        person, turn = people[n * 7 % 4 if n % 3 else 0], "entered" if n % 2 == 0 else "left"
        MembershipChangeFactory(segment=segment, profile=person, change=turn, at=at)
    api = api_of("viewer")

    def members(at):
        return api.get("/api/v1/segments/vip/members/", {"as_of": at.isoformat()})

    before = [members(at).json()["results"] for at in moments]
    for days in (35, 25, 12):
        purge_feeds(now=now, days=days)
        start = now - timedelta(days=days)
        for at, known in zip(moments, before, strict=True):
            answer = members(at)
            if at >= start:
                assert answer.json()["results"] == known
            elif at < FeedStart.objects.get().at:
                assert answer.status_code == 410


def test_old_attempts_go_with_their_messages(now):
    old = now - timedelta(days=31)
    gone = WebhookAttemptFactory(message__created_at=old).message
    under_way = WebhookMessageFactory(created_at=old, state=WebhookMessage.State.PENDING)
    fresh = WebhookMessageFactory(created_at=now)

    purge_messages(now=now)

    assert set(WebhookMessage.objects.values_list("pk", flat=True)) == {under_way.pk, fresh.pk}
    assert not gone.attempts.exists()
