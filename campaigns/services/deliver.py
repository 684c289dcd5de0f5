"""Delivering: each row of the ledger is leased, handed over once, and settled by the holder of its lease alone.

A worker may die between any two statements. Up to `sending` nothing has left, so the row is planned again when its
lease runs out; behind it, `reclaim` decides by what the channel promises.
"""

from __future__ import annotations

import logging
import time
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto

from django.db import models, transaction

from campaigns.channels.base import Answer, Channel, Deferred, Message, Refused, Sender, Sent, Unknown, channel_of
from campaigns.models import Attempt, Campaign, Delivery
from campaigns.rendering import MissingValueError, RenderError, render
from campaigns.services.finish import finish_campaigns
from campaigns.services.ledger import (
    Settlement,
    Suppressed,
    begin_sending,
    lock_recipient,
    settle,
    still_reaches,
    suppress,
)
from campaigns.services.recipients import Recipient, load_recipients
from campaigns.services.reclaim import reclaim_lapsed

log = logging.getLogger(__name__)

BATCH_SIZE = 100
LEASE = timedelta(minutes=5)  # of a whole batch: 3 s a message, the time-out of a slow provider
MAX_ATTEMPTS = 8
FIRST_BACK_OFF = timedelta(minutes=1)  # doubles with each attempt: 8 of them take two hours

State, Reason, Outcome = Delivery.State, Delivery.Reason, Attempt.Outcome


@dataclass(frozen=True)
class Clock:
    """The `now` that a doorway read, and the time that has passed since, for work that lasts."""

    started_at: datetime
    _started: float = field(default_factory=time.monotonic)

    def now(self) -> datetime:
        return self.started_at + timedelta(seconds=time.monotonic() - self._started)


class Gate(Enum):
    """What the last check before handing over says."""

    OPEN = auto()
    CLOSED = auto()  # the person had it, or the lease was lost
    CHANGED = auto()  # who the person is, or whether they may be written to, is another since the batch was loaded


def deliver_due(*, now: datetime) -> int:
    """Put lapsed leases right, send one batch of each sending campaign, finish those done.

    Returns how many deliveries were leased; 0 means that nothing is due. Any number of workers may do this at once.
    """
    clock = Clock(now)
    reclaim_lapsed(now=now)
    n_leased = sum(deliver_batch(campaign, clock=clock) for campaign in Campaign.objects.sending())
    finish_campaigns(now=clock.now())
    return n_leased


def deliver_batch(campaign: Campaign, *, clock: Clock) -> int:
    """Lease due deliveries of one campaign and hand them over one by one; returns how many were leased.

    Those for whom there is no message are settled together before: each on its own would be a commit more.
    """
    token = uuid.uuid4()
    deliveries = claim(campaign, token=token, now=clock.now())
    if not deliveries:
        return 0
    channel = channel_of(campaign.channel)
    recipients = load_recipients(deliveries, channel)
    prepared = [(delivery, prepare(delivery, recipients[delivery.pk], at=clock.now())) for delivery in deliveries]
    suppress(
        [(delivery, message) for delivery, message in prepared if isinstance(message, Suppressed)], now=clock.now()
    )
    with channel.open() as sender:
        for delivery, message in prepared:
            if isinstance(message, Message):
                deliver(delivery, message, recipients[delivery.pk], sender=sender, channel=channel, clock=clock)
    return len(deliveries)


def claim(campaign: Campaign, *, token: uuid.UUID, now: datetime) -> list[Delivery]:
    """Lease up to BATCH_SIZE due deliveries; rows that another worker is leasing are passed over, not waited for."""
    with transaction.atomic():
        due = Delivery.objects.due(now).filter(campaign=campaign).order_by("not_before", "id")
        ids = list(due.select_for_update(skip_locked=True, no_key=True).values_list("pk", flat=True)[:BATCH_SIZE])
        Delivery.objects.filter(pk__in=ids).update(state=State.CLAIMED, token=token, leased_until=now + LEASE)
    leased = Delivery.objects.filter(pk__in=ids, token=token).order_by("not_before", "id")
    return list(
        leased.select_related("campaign", "content", "profile__last_sight", "profile__merged_into__last_sight", "tier")
    )


def deliver(
    delivery: Delivery, message: Message, recipient: Recipient, *, sender: Sender, channel: Channel, clock: Clock
) -> None:
    """Take one leased delivery to its end. No transaction is open while the channel has it."""
    gate = open_gate(delivery, recipient, channel=channel, now=clock.now())
    if gate is Gate.OPEN:
        record(delivery, _send(sender, message), channel=channel, now=clock.now())
    elif gate is Gate.CLOSED:
        suppress([(delivery, Suppressed(Reason.DUPLICATE))], now=clock.now())  # nothing without the lease
    else:
        release(delivery)


def prepare(delivery: Delivery, recipient: Recipient, *, at: datetime) -> Message | Suppressed:
    """The message for this person, or why there is none."""
    if delivery.content is None:
        return Suppressed(Reason.NO_CONTENT)
    if recipient.is_denied:
        return Suppressed(Reason.NO_CONSENT)
    if not recipient.address:
        return Suppressed(Reason.NO_ADDRESS)
    if recipient.suppression is not None:
        return Suppressed(Reason.SUPPRESSED, recipient.suppression)
    try:
        rendered = render(subject=delivery.content.subject, body=delivery.content.body, context=recipient.context)
    except MissingValueError as error:
        return Suppressed(Reason.MISSING_VALUE, error.variable)
    except RenderError as error:
        return Suppressed(Reason.BAD_CONTENT, str(error), State.FAILED)
    return Message(
        campaign=delivery.campaign.key,
        delivery_id=delivery.pk,
        address=recipient.address,
        subject=rendered.subject,
        html=rendered.html,
        text=rendered.text,
        written_at=at,
    )


def open_gate(delivery: Delivery, recipient: Recipient, *, channel: Channel, now: datetime) -> Gate:
    """Commit `sending`, alone and just before the hand-over, unless the person or the address already had this message,
    or the person must not get it any more.

    Two deliveries to one person wait for each other here, and so do those to one address, which may have moved to
    somebody else since; no merge slips in between reading and committing.
    """
    with transaction.atomic():
        profile_ids = lock_recipient(recipient.person_id, recipient.address)
        if profile_ids is None or delivery.profile_id not in profile_ids:
            return Gate.CHANGED
        kind, consent_channel = channel.identifier_kind, channel.consent_channel
        if not still_reaches(recipient.person_id, recipient.address, kind=kind, consent_channel=consent_channel):
            return Gate.CHANGED
        begun = begin_sending(delivery, profile_ids=profile_ids, address=recipient.address, now=now)
    return Gate.OPEN if begun else Gate.CLOSED


def record(delivery: Delivery, answer: Answer, *, channel: Channel, now: datetime) -> None:
    """Write what the channel answered, for the holder of the token alone.

    A late answer may still settle a delivery whose lease ran out into unknown, and nothing else.
    """
    settle(delivery, _settlement(delivery, answer, channel=channel, now=now), now=now)


def release(delivery: Delivery) -> None:
    """Give the lease back: the next batch loads the person anew."""
    _mine(delivery).filter(state=State.CLAIMED).update(state=State.PLANNED, token=None, leased_until=None)


def _mine(delivery: Delivery) -> models.QuerySet[Delivery]:
    return Delivery.objects.filter(pk=delivery.pk, token=delivery.token)


def _send(sender: Sender, message: Message) -> Answer:
    try:
        return sender.send(message)
    except Exception as error:  # whatever broke, the message may have gone
        log.exception("delivery %s: the channel broke", message.delivery_id)
        return Unknown(f"{type(error).__name__}: {error}")


def _settlement(delivery: Delivery, answer: Answer, *, channel: Channel, now: datetime) -> Settlement:
    detail = answer.detail
    match answer:
        case Sent():
            return Settlement(State.SENT, Outcome.SENT, detail=detail, settled_at=now)
        case Refused():
            return Settlement(State.FAILED, Outcome.REFUSED, Reason.REFUSED, detail, settled_at=now)
        case Unknown() if not channel.is_idempotent:
            return Settlement(State.UNKNOWN, Outcome.UNKNOWN, detail=detail)
    outcome = Outcome.DEFERRED if isinstance(answer, Deferred) else Outcome.UNKNOWN
    n_attempts = Attempt.objects.filter(delivery=delivery).count()
    if n_attempts >= MAX_ATTEMPTS:
        return Settlement(State.FAILED, outcome, Reason.GAVE_UP, detail, settled_at=now)
    not_before = now + FIRST_BACK_OFF * 2 ** (n_attempts - 1)
    return Settlement(State.PLANNED, outcome, detail=detail, keeps_token=False, not_before=not_before)
