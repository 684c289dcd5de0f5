"""The laws of the ledger: nobody is written to twice, nobody planned is lost, doubt is shown as doubt."""

import threading
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from campaigns.channels import base
from campaigns.channels.base import Channel, Deferred, Refused, Sent, Unknown
from campaigns.channels.outbox import outbox_counts, read_message
from campaigns.models import Attempt, Campaign, Delivery
from campaigns.services import deliver
from campaigns.services.deliver import LEASE, MAX_ATTEMPTS, Clock, claim, deliver_due
from campaigns.services.ledger import lock_recipient
from profiles.models import Identifier, Profile
from profiles.services.identity import merge_profiles
from tests.elsewhere import Elsewhere
from tests.factories.campaigns import (
    CampaignFactory,
    ContentFactory,
    DeliveryFactory,
    ReachableFactory,
    SuppressionFactory,
)
from tests.factories.profiles import SEEN_AT, ConsentFactory, IdentifierFactory, ProfileFactory
from tests.factories.segments import TierFactory

pytestmark = pytest.mark.django_db


class Killed(BaseException):
    """The end of a worker: no handler of ours sees it."""


class PigeonLoft(Channel):
    """Notes what it is given; `answers` decides what it says, by default that it is sent."""

    key = "pigeon"
    label = "Pigeon"
    identifier_kind = "email"
    consent_channel = "email"
    is_idempotent = False

    def __init__(self):
        self.messages = []
        self.answers = []

    @contextmanager
    def open(self):
        yield self

    def send(self, message):
        assert not connection.in_atomic_block or connection.savepoint_ids == [], "no transaction may be open"
        self.messages.append(message)
        answer = self.answers.pop(0) if self.answers else Sent()
        if isinstance(answer, BaseException):
            raise answer
        return answer


@pytest.fixture
def pigeons(monkeypatch):
    channel = PigeonLoft()
    monkeypatch.setitem(base._channels, "pigeon", channel)
    return channel


@pytest.fixture
def campaign():
    return CampaignFactory(state=Campaign.State.SENDING, channel="pigeon")


def deliver_all(now):
    """Run until nothing is due, as the task does."""
    while deliver_due(now=now):
        pass


def states(campaign):
    return list(campaign.deliveries.order_by("pk").values_list("state", "reason"))


def test_a_due_delivery_is_sent_once_and_the_campaign_finishes(pigeons, campaign, now):
    delivery = DeliveryFactory(campaign=campaign)

    deliver_all(now)
    deliver_all(now)

    assert [message.key for message in pigeons.messages] == [f"{campaign.key}/{delivery.pk}"]
    delivery.refresh_from_db()
    assert (delivery.state, delivery.address) == ("sent", f"person-{delivery.profile_id}@example.com")
    assert delivery.settled_at >= now
    attempt = delivery.attempts.get()
    assert (attempt.token, attempt.outcome) == (delivery.token, "sent")
    campaign.refresh_from_db()
    assert campaign.state == Campaign.State.FINISHED


def test_what_is_not_due_or_not_sending_waits(pigeons, now):
    DeliveryFactory(campaign__channel="pigeon", not_before=now + timedelta(seconds=1))
    DeliveryFactory(campaign__channel="pigeon", campaign__state=Campaign.State.PLANNING)

    assert deliver_due(now=now) == 0

    assert set(Delivery.objects.values_list("state", flat=True)) == {"planned"}
    assert set(Campaign.objects.values_list("state", flat=True)) == {"sending", "planning"}


def test_templates_see_the_profile_the_tier_of_the_planning_and_nobody_else(now):
    gold = TierFactory(name="Gold", benefits="Free shipping")
    ann = ReachableFactory(attributes={"name": "Ann", "city": None})
    content = ContentFactory(
        campaign__state=Campaign.State.SENDING,
        subject="{{ profile.name }}, {{ tier.name }}",
        body="{{ tier.benefits }} in {{ profile.city | default: 'your city' }}",
    )
    delivery = DeliveryFactory(campaign=content.campaign, content=content, profile=ann, tier=gold)

    deliver_all(now)

    message = read_message(content.campaign.key, delivery.pk)
    assert (message.subject, message.html.strip()) == ("Ann, Gold", "Free shipping in your city")


@pytest.mark.parametrize(
    ("give", "reason", "detail"),
    [
        (lambda row: row.profile.identifiers.all().delete(), "no_address", ""),
        (lambda row: ConsentFactory(profile=row.profile, state="denied"), "no_consent", ""),
        (lambda row: row.campaign.contents.update(body="{{ profile.city }}"), "missing_value", "profile.city"),
        (lambda row: row.campaign.contents.update(body="{{ 1 | divided_by: 0 }}"), "bad_content", "divide"),
    ],
)
def test_what_cannot_be_said_is_kept_with_its_reason(give, reason, detail, pigeons, campaign, now):
    delivery = DeliveryFactory(campaign=campaign)
    give(delivery)

    deliver_all(now)

    assert pigeons.messages == []
    delivery.refresh_from_db()
    assert delivery.state == ("failed" if reason == "bad_content" else "suppressed")
    assert delivery.reason == reason
    assert detail in delivery.detail
    assert not Attempt.objects.exists()


def test_the_latest_consent_counts_and_only_that_of_the_channel(pigeons, campaign, now):
    again = DeliveryFactory(campaign=campaign)
    ConsentFactory(profile=again.profile, state="denied", occurred_at=now - timedelta(days=2))
    ConsentFactory(profile=again.profile, state="granted", occurred_at=now - timedelta(days=1))
    ConsentFactory(profile=again.profile, state="denied", channel="sms", occurred_at=now)

    deliver_all(now)

    assert states(campaign) == [("sent", "")]


def test_the_address_is_the_one_that_the_golden_record_names_else_the_newest(pigeons, campaign, now):
    chosen, newest = ProfileFactory(attributes={"email": "Old@example.com"}), ProfileFactory()
    for n, profile in enumerate([chosen, newest]):
        for age, name in ((3, f"old{n or ''}"), (2, f"middle{n}"), (1, f"new{n}")):
            IdentifierFactory(
                kind_key="email",
                value=f"{name}@example.com",
                profile=profile,
                first_seen_at=now - timedelta(days=age),
            )
        DeliveryFactory(campaign=campaign, profile=profile)

    deliver_all(now)

    assert [message.address for message in pigeons.messages] == ["old@example.com", "new1@example.com"]


def merge(absorbed, survivor):
    Identifier.objects.filter(profile=absorbed).update(profile=survivor)
    absorbed.merged_into = survivor
    absorbed.save()


def test_two_profiles_that_became_one_person_are_written_to_once(pigeons, campaign, now):
    absorbed, survivor = (DeliveryFactory(campaign=campaign) for _ in range(2))
    merge(absorbed.profile, survivor.profile)

    deliver_all(now)

    assert len(pigeons.messages) == 1
    assert states(campaign) == [("sent", ""), ("suppressed", "duplicate")]
    absorbed.refresh_from_db()
    assert absorbed.profile_id != survivor.profile_id  # the ledger keeps whom it was planned for


@pytest.mark.parametrize("state", ["sending", "sent", "unknown"])
def test_an_address_that_has_had_it_gets_it_no_more_whoever_owns_it_now(state, pigeons, campaign, now):
    DeliveryFactory(campaign=campaign, state=state, address="ann@example.com", leased_until=now + LEASE)
    DeliveryFactory(campaign=campaign, profile=ReachableFactory(email="ann@example.com"))

    deliver_all(now)

    assert pigeons.messages == []
    assert states(campaign) == [(state, ""), ("suppressed", "duplicate")]


def test_another_campaign_is_not_a_duplicate(pigeons, campaign, now):
    delivery = DeliveryFactory(campaign=campaign)
    DeliveryFactory(campaign__channel="pigeon", profile=delivery.profile)

    deliver_all(now)

    assert len(pigeons.messages) == 2


def test_a_merge_between_loading_and_sending_loads_the_person_anew(pigeons, campaign, now, monkeypatch):
    delivery = DeliveryFactory(campaign=campaign)
    survivor = ReachableFactory(attributes={"name": "Ann"})
    ConsentFactory(profile=survivor, state="denied")
    prepare = deliver.prepare

    def merged_meanwhile(*args, **kwargs):
        monkeypatch.setattr(deliver, "prepare", prepare)
        merge(delivery.profile, survivor)
        return prepare(*args, **kwargs)

    monkeypatch.setattr(deliver, "prepare", merged_meanwhile)

    deliver_all(now)

    assert pigeons.messages == []
    assert states(campaign) == [("suppressed", "no_consent")]


def suppress(person):
    SuppressionFactory(value=person.identifiers.get().value)


def suppress_elsewhere(person):
    SuppressionFactory(value=person.identifiers.get().value, channel="sms")


def deny(person):
    ConsentFactory(profile=person, state="denied")


def deny_and_grant(person):
    ConsentFactory(profile=person, state="denied")
    ConsentFactory(profile=person, state="granted", occurred_at=SEEN_AT + timedelta(days=1))


def move_address(person):
    Identifier.objects.filter(profile=person).update(profile=ProfileFactory())


@pytest.mark.parametrize(
    ("change", "settled"),
    [
        (suppress, ("suppressed", "suppressed")),
        (suppress_elsewhere, ("sent", "")),
        (deny, ("suppressed", "no_consent")),
        (deny_and_grant, ("sent", "")),
        (move_address, ("suppressed", "no_address")),
    ],
)
def test_what_somebody_said_since_the_batch_was_loaded_counts(change, settled, pigeons, campaign, now, monkeypatch):
    first, second = DeliveryFactory(campaign=campaign), DeliveryFactory(campaign=campaign)
    send = pigeons.send

    def said_meanwhile(message):
        monkeypatch.setattr(pigeons, "send", send)
        change(second.profile)
        return send(message)

    monkeypatch.setattr(pigeons, "send", said_meanwhile)

    deliver_all(now)

    assert states(campaign) == [("sent", ""), settled]
    assert pigeons.messages[0].delivery_id == first.pk
    assert len(pigeons.messages) == sum(state == "sent" for state, _reason in states(campaign))


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_delivery_and_a_merge_of_the_same_person_do_not_lock_each_other_out(campaign, now):
    """The merge has the person, and then writes to the profiles that were merged into it before, whatever their ids."""
    earlier, other = ProfileFactory(), ProfileFactory()
    person = ProfileFactory(first_seen_at=earlier.first_seen_at - timedelta(days=1))
    merge(earlier, person)

    def recipient():
        with transaction.atomic():
            assert lock_recipient(person.pk, "ann@example.com") is None

    with transaction.atomic():
        Profile.objects.select_for_update(no_key=True).get(pk=person.pk)
        waiting = Elsewhere(recipient)
        assert waiting.come_as_far_as_it_can()
        merge_profiles([person.pk, other.pk], user=None, now=now, into=other.pk)
    waiting.finish()


# Where a worker may die, how many calls later, and how many of three messages have left by then.
POINTS = [
    ("load_recipients", 0, 0),
    ("prepare", 1, 0),
    ("suppress", 0, 0),
    ("open_gate", 1, 1),
    ("lock_recipient", 1, 1),
    ("begin_sending", 1, 1),
    ("_send", 1, 1),
    ("record", 1, 2),
    ("settle", 1, 2),
]


def die_at(monkeypatch, name, *, after=0):
    """Kill the worker when it calls `name`, `after` calls later; afterwards the next worker goes on undisturbed."""
    original = getattr(deliver, name)
    n_calls = []

    def killed(*args, **kwargs):
        n_calls.append(1)
        if len(n_calls) > after:
            monkeypatch.setattr(deliver, name, original)
            raise Killed
        return original(*args, **kwargs)

    monkeypatch.setattr(deliver, name, killed)


@pytest.mark.parametrize(("point", "after", "n_sent"), POINTS)
def test_killed_anywhere_nobody_gets_two_and_nobody_is_lost(point, after, n_sent, pigeons, campaign, now, monkeypatch):
    deliveries = [DeliveryFactory(campaign=campaign) for _ in range(3)]
    die_at(monkeypatch, point, after=after)

    with pytest.raises(Killed):
        deliver_due(now=now)
    assert len(pigeons.messages) == n_sent
    deliver_all(now)  # the others lie in the dead worker's lease
    assert len(pigeons.messages) == n_sent
    deliver_all(now + 2 * LEASE)

    in_doubt = point in {"_send", "record", "settle"}  # it was sending: it may have gone
    received = [message.delivery_id for message in pigeons.messages]
    assert len(received) == len(set(received))
    assert [state for state, _ in states(campaign)] == ["sent", "unknown" if in_doubt else "sent", "sent"]
    expected = {delivery.pk for delivery in deliveries}
    assert set(received) | set(campaign.deliveries.filter(state="unknown").values_list("pk", flat=True)) == expected


@pytest.mark.parametrize(("point", "after", "_n_sent"), POINTS)
def test_killed_anywhere_an_idempotent_channel_leaves_no_doubt(point, after, _n_sent, campaign, now, monkeypatch):
    campaign.channel = "outbox"
    campaign.save()
    deliveries = [DeliveryFactory(campaign=campaign) for _ in range(3)]
    die_at(monkeypatch, point, after=after)

    with pytest.raises(Killed):
        deliver_due(now=now)
    deliver_all(now + 2 * LEASE)

    assert states(campaign) == [("sent", "")] * 3
    assert outbox_counts() == {campaign.key: 3}
    assert all(read_message(campaign.key, delivery.pk).to for delivery in deliveries)


def test_a_late_answer_settles_an_unknown(pigeons, campaign, now):
    delivery = DeliveryFactory(campaign=campaign)
    pigeons.answers = [Killed()]
    with pytest.raises(Killed):
        deliver_due(now=now)
    late = Delivery.objects.get(pk=delivery.pk)
    deliver_all(now + 2 * LEASE)
    assert states(campaign) == [("unknown", "")]
    assert late.attempts.get().outcome == "unknown"

    deliver.record(late, Sent("at last"), channel=pigeons, now=now + 3 * LEASE)

    late.refresh_from_db()
    assert (late.state, late.detail) == ("sent", "at last")
    assert late.attempts.get().outcome == "sent"


def test_a_late_answer_of_a_lost_lease_changes_nothing_else(pigeons, campaign, now):
    pigeons.is_idempotent = True
    delivery = DeliveryFactory(campaign=campaign)
    pigeons.answers = [Killed()]
    with pytest.raises(Killed):
        deliver_due(now=now)
    late = Delivery.objects.get(pk=delivery.pk)
    deliver_all(now + 2 * LEASE)
    assert states(campaign) == [("sent", "")]

    deliver.record(late, Refused("no such address"), channel=pigeons, now=now + 3 * LEASE)
    deliver.suppress([(late, deliver.Suppressed(Delivery.Reason.DUPLICATE))], now=now)
    deliver.release(late)

    assert states(campaign) == [("sent", "")]
    assert sorted(late.attempts.values_list("outcome", flat=True)) == ["refused", "sent"]


def test_a_worker_that_lost_its_lease_before_handing_over_hands_nothing_over(pigeons, campaign, now, monkeypatch):
    DeliveryFactory(campaign=campaign)
    prepare = deliver.prepare

    def dawdle(*args, **kwargs):
        monkeypatch.setattr(deliver, "prepare", prepare)
        deliver_all(now + 2 * LEASE)  # another worker reclaims and sends
        return prepare(*args, **kwargs)

    monkeypatch.setattr(deliver, "prepare", dawdle)

    deliver_due(now=now)

    assert len(pigeons.messages) == 1
    assert states(campaign) == [("sent", "")]


@pytest.mark.parametrize(
    ("answer", "state", "reason"),
    [
        (Refused("no such mailbox"), "failed", "refused"),
        (Unknown("connection reset"), "unknown", ""),
        (ConnectionResetError("connection reset"), "unknown", ""),
        (Deferred("mailbox is full"), "planned", ""),
    ],
)
def test_each_answer_is_kept(answer, state, reason, pigeons, campaign, now):
    delivery = DeliveryFactory(campaign=campaign)
    pigeons.answers = [answer]

    deliver_due(now=now)

    assert states(campaign) == [(state, reason)]
    delivery.refresh_from_db()
    detail = getattr(answer, "detail", "connection reset")
    assert detail in delivery.detail
    assert detail in delivery.attempts.get().detail


def test_a_deferred_delivery_backs_off_and_is_given_up_in_the_end(pigeons, campaign, now):
    delivery = DeliveryFactory(campaign=campaign)
    pigeons.answers = [Deferred("busy")] * MAX_ATTEMPTS
    at, waits = now, []

    for _ in range(MAX_ATTEMPTS - 1):
        deliver_due(now=at)
        delivery.refresh_from_db()
        waits.append(round((delivery.not_before - at).total_seconds() / 60))
        assert deliver_due(now=delivery.not_before - timedelta(seconds=1)) == 0
        at = delivery.not_before
    deliver_due(now=at)

    assert waits == [1, 2, 4, 8, 16, 32, 64]
    assert states(campaign) == [("failed", "gave_up")]
    assert delivery.attempts.count() == MAX_ATTEMPTS


def test_a_leased_row_is_passed_over(campaign, now):
    DeliveryFactory(campaign=campaign)

    first = claim(campaign, token="00000000-0000-0000-0000-000000000001", now=now)
    second = claim(campaign, token="00000000-0000-0000-0000-000000000002", now=now)

    assert (len(first), second) == (1, [])


def test_a_batch_loads_its_people_in_a_fixed_number_of_queries(pigeons, campaign, now, monkeypatch):
    monkeypatch.setattr(deliver, "deliver", lambda *args, **kwargs: None)

    def queries(n_people):
        for _ in range(n_people):
            DeliveryFactory(campaign=campaign)
        with CaptureQueriesContext(connection) as captured:
            deliver.deliver_batch(campaign, clock=Clock(now))
        return len(captured)

    assert queries(2) == queries(20)


def test_of_many_campaigns_each_gets_its_turn(pigeons, now, monkeypatch):
    monkeypatch.setattr(deliver, "BATCH_SIZE", 2)
    campaigns = [CampaignFactory(state=Campaign.State.SENDING, channel="pigeon") for _ in range(2)]
    for campaign in campaigns:
        for _ in range(5):
            DeliveryFactory(campaign=campaign)

    assert deliver_due(now=now) == 4

    assert {message.campaign for message in pigeons.messages} == {campaign.key for campaign in campaigns}


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_workers_at_once_send_everything_once(pigeons, now, monkeypatch):
    monkeypatch.setattr(deliver, "BATCH_SIZE", 3)
    campaign = CampaignFactory(state=Campaign.State.SENDING, channel="pigeon")
    people = [ReachableFactory() for _ in range(40)]
    for person in people:
        DeliveryFactory(campaign=campaign, profile=person)
    for absorbed, survivor in zip(people[:20:2], people[1:20:2], strict=True):
        merge(absorbed, survivor)
    errors = []

    def work():
        try:
            deliver_all(now)
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert errors == []
    assert len(pigeons.messages) == len({message.address for message in pigeons.messages}) == 30
    counted = [state for state, _ in states(campaign)]
    assert (counted.count("sent"), counted.count("suppressed")) == (30, 10)
    campaign.refresh_from_db()
    assert campaign.state == Campaign.State.FINISHED
