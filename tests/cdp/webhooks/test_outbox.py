from datetime import UTC, datetime, timedelta
from itertools import pairwise

import orjson
import pytest
from django.core.exceptions import ValidationError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cdp.feeds import feeds
from cdp.models import Subscription, Webhook, WebhookAttempt, WebhookMessage
from cdp.retention import purge_feeds
from cdp.webhooks import backlog, outbox
from cdp.webhooks.backlog import Backlog, Waiting, backlogs, count_waiting
from cdp.webhooks.manage import Hearing, enable_webhook, save_webhook, send_since
from cdp.webhooks.models import FeedStart
from cdp.webhooks.outbox import LEASE, claim, record, retry_after
from cdp.webhooks.post import Answer
from segments.models import MembershipChange
from tests.factories.cdp import UserFactory
from tests.factories.profiles import ProfileFactory
from tests.factories.segments import MembershipChangeFactory, SegmentFactory
from tests.factories.webhooks import MADE_AT, WebhookFactory, WebhookMessageFactory

OK, DOWN = Answer(204, "", 5), Answer(None, "timeout", 15_000)
pytestmark = pytest.mark.django_db


def write(n, *, segment=None, cause="data"):
    segment, profile = segment or SegmentFactory(), ProfileFactory()
    return [
        MembershipChange.objects.create(segment=segment, profile=profile, change="entered", cause=cause, at=MADE_AT).pk
        for _ in range(n)
    ]


def ids(dispatch):
    return [change["id"] for change in orjson.loads(dispatch.body)["data"]["changes"]]


def send(now, answer=OK):
    """One round: what is due is sent and answered; returns the dispatches."""
    found, _any = claim(limit=16, now=now)
    for dispatch in found:
        record(dispatch, answer, now=now)
    return found


def test_changes_go_in_order_in_batches_and_each_once(now):
    webhook, written = WebhookFactory(hears=["segments"], batch_size=2), write(5)

    rounds = [send(now) for _ in range(4)]

    assert [[ids(each) for each in sent] for sent in rounds] == [[written[:2]], [written[2:4]], [written[4:]], []]
    assert webhook.subscriptions.get().after == written[-1]


def test_a_body_is_the_page_of_the_feed(now):
    segment, profile = SegmentFactory(key="vip"), ProfileFactory()
    change = MembershipChange.objects.create(segment=segment, profile=profile, change="left", cause="time", at=MADE_AT)
    WebhookFactory(hears=["segments"])

    (dispatch,) = send(now)

    assert orjson.loads(dispatch.body) == {
        "type": "segments.changed",
        "timestamp": "2026-06-15T04:00:00Z",
        "data": {
            "changes": [
                {
                    "id": change.pk, "profile": str(profile.public_id), "segment": "vip", "change": "left",
                    "cause": "time", "at": "2026-01-01T00:00:00Z",
                }
            ],
            "next_after": change.pk,
        },
    }  # fmt: skip


def test_one_message_at_a_time_and_a_dead_worker_leaves_it_under_its_id(now):
    WebhookFactory(hears=["segments"])
    first = write(2)
    (lost,), _any = claim(limit=16, now=now)
    later = write(1)

    assert claim(limit=16, now=now + LEASE - timedelta(seconds=1)) == ([], False)
    (again,), _any = claim(limit=16, now=now + LEASE)
    record(lost, OK, now=now + LEASE)  # it was only slow: too late, another has it
    record(again, OK, now=now + LEASE)
    (rest,) = send(now + LEASE)

    assert (again.message_id, ids(again)) == (lost.message_id, first)
    assert ids(rest) == later
    assert WebhookAttempt.objects.count() == 3


def test_it_goes_on_in_its_feed_once_it_was_told_and_until_then_nothing_is_deleted(now):
    webhook, written = WebhookFactory(hears=["segments"], batch_size=2), write(3)

    def stands_after():
        purge_feeds(now=now + timedelta(days=900), days=1)
        return webhook.subscriptions.get().after

    start = stands_after()
    (dispatch,), _any = claim(limit=1, now=now)
    assert stands_after() == start
    record(dispatch, DOWN, now=now)
    assert stands_after() == start
    assert list(MembershipChange.objects.order_by("pk").values_list("pk", flat=True)) == written

    (again,) = send(now + LEASE)
    assert (ids(again), stands_after()) == (written[:2], written[1])


@pytest.mark.parametrize("late", [OK, DOWN])
def test_an_answer_after_another_took_over_is_noted_and_decides_nothing(late, now):
    webhook, written = WebhookFactory(hears=["segments"], batch_size=2), write(3)
    (first,), _any = claim(limit=1, now=now)
    (second,), _any = claim(limit=1, now=now + LEASE)
    assert first.message_id == second.message_id

    record(first, late, now=now + LEASE)

    webhook.refresh_from_db()
    assert (webhook.lease, webhook.n_failures, webhook.attempts.count()) == (second.lease, 0, 1)
    assert webhook.messages.get().state == WebhookMessage.State.PENDING
    assert claim(limit=1, now=now + LEASE)[0] == []
    record(second, OK, now=now + LEASE)
    assert [ids(each) for each in send(now + LEASE)] == [written[2:]]


def test_failures_back_off_and_a_success_ends_them(now):
    webhook = WebhookFactory(hears=["segments"])
    write(1)

    (first,) = send(now, DOWN)
    webhook.refresh_from_db()

    assert (webhook.n_failures, webhook.failing_since) == (1, now)
    assert timedelta(seconds=5) <= webhook.next_at - now <= timedelta(seconds=6)
    assert send(now + timedelta(seconds=4)) == []
    (second,) = send(now + timedelta(seconds=6))
    webhook.refresh_from_db()
    assert second.message_id == first.message_id
    assert (webhook.n_failures, webhook.failing_since) == (0, None)


def test_back_off_grows_to_an_hour():
    waits = [outbox.back_off(n).total_seconds() for n in range(8)]

    assert all(
        base <= wait <= base * 1.2 for base, wait in zip([5, 30, 120, 600, 1800, 3600, 3600, 3600], waits, strict=True)
    )
    assert all(shorter < longer for shorter, longer in pairwise(waits[:6]))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("90", 90),
        ("", 0),
        ("soon", 0),
        ("-5", 0),
        ("99999999999999999999", 86400),
        ("Mon, 15 Jun 2026 04:10:00 GMT", 600),
        ("Mon, 15 Jun 2026 03:00:00 GMT", 0),
        ("Mon, 15 Jun 2026 04:10:00 -0000", 0),
    ],
)
def test_retry_after_is_seconds_or_a_date(header, seconds, now):
    assert retry_after(header, now=now) == timedelta(seconds=seconds)


def test_retry_after_is_respected(now):
    webhook = WebhookFactory(hears=["segments"])
    write(1)

    send(now, Answer(429, "", 5, "", "900"))

    webhook.refresh_from_db()
    assert webhook.next_at == now + timedelta(seconds=900)


def test_days_of_nothing_but_failures_switch_it_off(now, settings):
    settings.WEBHOOK_DISABLE_DAYS = 3
    webhook = WebhookFactory(hears=["segments"], failing_since=now - timedelta(days=3) + timedelta(seconds=10))
    write(1)

    send(now, DOWN)
    webhook.refresh_from_db()
    assert webhook.disabled_at is None
    later = webhook.next_at + timedelta(seconds=20)
    send(later, DOWN)

    webhook.refresh_from_db()
    assert (webhook.disabled_at, webhook.disabled_reason) == (later, "failures")
    assert send(later + timedelta(days=9)) == []


def test_gone_switches_it_off_at_once(now):
    webhook = WebhookFactory(hears=["segments"])
    write(1)

    send(now, Answer(410, "", 5))

    webhook.refresh_from_db()
    assert (webhook.disabled_at, webhook.disabled_reason) == (now, "gone")


@pytest.mark.parametrize("from_now", [False, True])
def test_switched_on_again_it_goes_on_where_it_stood_or_from_now(from_now, now):
    webhook = WebhookFactory(hears=["segments"], batch_size=2)
    written = write(3)
    send(now, Answer(410, "", 5))

    enable_webhook(webhook, from_now=from_now, user=UserFactory(), now=now)
    rest = [change for _ in range(3) for dispatch in send(now) for change in ids(dispatch)]
    new = write(1)

    assert rest == ([] if from_now else written)
    assert [ids(dispatch) for dispatch in send(now)] == [new]


def test_it_hears_what_it_chose(now):
    vip, other = SegmentFactory(key="vip"), SegmentFactory(key="other")
    webhook = WebhookFactory()
    chosen = Subscription.objects.create(webhook=webhook, feed="segments", subjects=["vip"], causes=["data", "time"])
    wanted = write(1, segment=vip)
    write(1, segment=other)
    write(1, segment=vip, cause="rule")
    last = write(1, segment=other)

    sent = send(now)

    chosen.refresh_from_db()
    assert [ids(dispatch) for dispatch in sent] == [wanted]
    assert chosen.after == last[0]  # it does not look through the others again


def test_what_is_under_way_of_a_feed_that_it_hears_no_more_is_dropped(now):
    webhook, _written = WebhookFactory(hears=["segments", "tags"]), write(2)
    send(now, DOWN)
    test = WebhookMessageFactory(webhook=webhook, feed="", asked_at=now)

    save_webhook(webhook, hears=[Hearing("tags")], now=now)
    (sent,) = send(now + timedelta(days=1))

    assert sent.message_id == test.pk
    assert list(webhook.messages.exclude(feed="").values_list("feed", "state")) == [("segments", "skipped")]
    assert send(now + timedelta(days=2)) == []
    save_webhook(webhook, hears=[Hearing("segments")], now=now)
    (late,) = write(1)
    assert [ids(each) for each in send(now + timedelta(days=3))] == [[late]]


def test_a_rare_segment_in_a_busy_feed_is_reached_in_steps(now, monkeypatch):
    monkeypatch.setattr(outbox, "SPAN", 2)
    vip = SegmentFactory(key="vip")
    Subscription.objects.create(webhook=WebhookFactory(), feed="segments", subjects=["vip"])
    start = write(5)[0]
    Subscription.objects.update(after=start)
    wanted = write(1, segment=vip)

    rounds = [claim(limit=16, now=now) for _ in range(3)]

    assert [any_due for _found, any_due in rounds] == [True, True, True]
    assert [ids(dispatch) for found, _any in rounds for dispatch in found] == [wanted]


def test_what_was_erased_meanwhile_is_not_sent(now):
    segment = SegmentFactory()
    WebhookFactory(hears=["segments"])
    write(1, segment=segment)
    send(now, DOWN)
    segment.delete()
    kept = write(1)

    later = now + timedelta(minutes=1)

    assert send(later) == []
    assert [ids(dispatch) for dispatch in send(later)] == [kept]


def test_a_test_and_one_more_attempt_go_out_of_turn(now):
    webhook = WebhookFactory(hears=["segments"], disabled_at=now, next_at=now + timedelta(days=1))
    written = write(1)
    old = WebhookMessageFactory(webhook=webhook, until=written[0], asked_at=now)
    test = WebhookMessage.objects.create(webhook=webhook, asked_at=now + timedelta(seconds=1), created_at=now)

    sent = [dispatch for _ in range(3) for dispatch in send(now)]

    assert [dispatch.message_id for dispatch in sent] == [old.pk, test.pk]
    assert ids(sent[0]) == written
    assert b'"type":"webhook.test"' in sent[1].body
    assert webhook.subscriptions.get().after == 0


def test_a_failed_test_counts_for_nothing(now):
    webhook = WebhookFactory()
    test = WebhookMessage.objects.create(webhook=webhook, asked_at=now, created_at=now)

    send(now, DOWN)

    webhook.refresh_from_db()
    test.refresh_from_db()
    assert (webhook.n_failures, test.state, test.asked_at) == (0, "failed", None)
    assert send(now) == []


def test_both_secrets_sign_while_the_old_one_is_good(now):
    WebhookFactory(hears=["segments"], secret="whsec_bmV3", old_secret="whsec_b2xk", old_secret_until=now)
    write(1)

    (early,) = send(now - timedelta(seconds=1), DOWN)
    (late,) = send(now + timedelta(minutes=1))

    assert (early.keys, late.keys) == (("whsec_bmV3", "whsec_b2xk"), ("whsec_bmV3",))


def test_looking_for_what_is_due_takes_as_many_queries_for_twenty_as_for_one(django_assert_num_queries, now):
    n_feeds = len(feeds())
    WebhookFactory(hears=["segments"])
    with django_assert_num_queries(n_feeds + 3):
        claim(limit=16, now=now)
    WebhookFactory.create_batch(20, hears=["segments", "tiers"])
    with django_assert_num_queries(n_feeds + 3):
        claim(limit=16, now=now)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(1, 3)),
        st.tuples(st.just("send"), st.sampled_from([OK, DOWN, Answer(500, "", 1)])),
        st.tuples(st.just("die"), st.booleans()),  # before the POST, or after it
        st.tuples(st.just("choose"), st.sampled_from([[], ["a"], ["a", "b"]])),
    ),
    max_size=12,
)


@given(STEPS, st.integers(1, 3))
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_whatever_happens_the_receiver_knows_what_the_feed_says(django_db_blocker, steps, batch_size):
    """Nothing lost, skipped or out of order; what is the same has the same id."""
    now, chosen = datetime(2026, 6, 15, tzinfo=UTC), []
    MembershipChange.objects.all().delete()
    Webhook.objects.all().delete()
    segments, profile = {key: SegmentFactory(name=key) for key in ("a", "b")}, ProfileFactory()
    webhook = WebhookFactory(batch_size=batch_size, hears=["segments"])
    heard, n = {}, 0

    for step, value in [*steps, ("choose", []), *[("send", OK)] * 40]:
        now += timedelta(hours=2)
        if step == "write":
            for _ in range(value):
                n += 1
                MembershipChange.objects.create(
                    segment=segments["ab"[n % 2]], profile=profile, change="entered", cause="data", at=now
                )
        elif step == "choose":
            chosen = [segments[key].key for key in value]
            Subscription.objects.filter(webhook=webhook).update(subjects=chosen)
        else:
            found, _any = claim(limit=1, now=now)
            for dispatch in found:
                if step == "send" or value:
                    assert heard.setdefault(dispatch.message_id, ids(dispatch)) == ids(dispatch)
                if step == "send":
                    record(dispatch, value, now=now)

    known = [change for changes in heard.values() for change in changes]
    everything = list(MembershipChange.objects.order_by("id").values_list("id", flat=True))
    assert known == sorted(set(known))
    assert set(known) <= set(everything)
    if not any(step == "choose" for step, _value in steps):
        assert known == everything


def at(*hours):
    """Changes that happened at these hours of a day, written in this order."""
    return [MembershipChangeFactory(at=MADE_AT + timedelta(hours=hour)).pk for hour in hours]


@pytest.mark.parametrize("hour", range(-1, 60, 5))
def test_all_since_a_moment_come_after_the_place_that_is_found(hour):
    hours = [0, 1, 1, 5, 3, 4, 20, 20, 19, 30, 47, 40, 55]
    ids = at(*hours)

    after = feeds()["segments"].after_moment(MADE_AT + timedelta(hours=hour))

    wanted = [pk for pk, happened in zip(ids, hours, strict=True) if happened >= hour]
    assert all(pk > after for pk in wanted)
    assert after == (wanted[0] - 1 if wanted else ids[-1])


def test_an_empty_feed_has_its_start_at_every_moment():
    assert feeds()["segments"].after_moment(MADE_AT) == 0


def test_sent_again_since_a_moment_it_goes_on_in_order_to_what_it_has_not_heard(now):
    webhook, other = WebhookFactory(hears=["segments"], batch_size=2), WebhookFactory(hears=["segments"], batch_size=9)
    ids_ = at(0, 1, 2, 3, 4)
    send(now)
    send(now, DOWN)

    send_since(webhook, MADE_AT + timedelta(hours=1), user=UserFactory(), now=now)
    sent = [each for _ in range(3) for each in send(now) if each.webhook_id == webhook.pk]

    assert [ids(each) for each in sent] == [ids_[1:3], ids_[3:]]
    assert other.subscriptions.get().after == ids_[-1]
    assert WebhookMessage.objects.filter(webhook=webhook, state="skipped").count() == 1


def test_what_it_has_not_heard_yet_is_not_passed_over_by_a_later_moment(now):
    webhook, written = WebhookFactory(hears=["segments"]), at(0, 1, 2)

    send_since(webhook, MADE_AT + timedelta(hours=2), user=UserFactory(), now=now)

    assert [ids(each) for each in send(now)] == [written]


def test_from_before_what_is_kept_nothing_is_sent_again(now):
    webhook, written = WebhookFactory(hears=["segments"]), at(0, 1, 2)
    webhook.subscriptions.update(after=written[-1])
    FeedStart.objects.create(feed="segments", after=written[0], at=MADE_AT)

    with pytest.raises(ValidationError, match=r"Segments: changes are kept since after 2026-01-01 08:00:00\+08:00"):
        send_since(webhook, MADE_AT, user=UserFactory(), now=now)

    assert webhook.subscriptions.get().after == written[-1]


def test_how_far_it_is_behind_counts_what_it_hears(now):
    vip, other = SegmentFactory(key="vip"), SegmentFactory()
    webhook = WebhookFactory()
    chosen = Subscription.objects.create(webhook=webhook, feed="segments", subjects=["vip"])
    written = [*write(2, segment=vip), *write(1, segment=other)]
    chosen.after = written[0] - 1

    chosen.save()

    assert count_waiting(chosen) == Waiting(2)
    assert backlogs([webhook]) == {webhook.pk: Backlog(3, MADE_AT)}
    send(now)
    assert backlogs([webhook]) == {webhook.pk: Backlog()}


def test_what_waits_is_counted_so_far_and_said_to_be_more(monkeypatch):
    webhook, vip = WebhookFactory(), SegmentFactory(key="vip")
    chosen = Subscription.objects.create(webhook=webhook, feed="segments", subjects=["vip"])
    written = [*write(1, segment=vip), *write(3), *write(1, segment=vip)]
    chosen.after = written[0] - 1

    found = []
    for counted, looked in ((9, 9), (2, 9), (9, 3), (9, 5)):
        monkeypatch.setattr(backlog, "COUNTED", counted)
        monkeypatch.setattr(backlog, "LOOKED_THROUGH", looked)
        found.append(count_waiting(chosen))

    assert found == [Waiting(2), Waiting(2, is_more=True), Waiting(1, is_more=True), Waiting(2)]
