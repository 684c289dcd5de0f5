"""The statements that every delivery passes, by hand: building them anew a row cost more than running them.

With the ORM a worker sent 70 messages a second, so it sends 130 (2026-11, outbox, two cores shared with other work).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from campaigns.models import Attempt, Delivery
from cdp.locks import lock_key


@dataclass(frozen=True)
class Settlement:
    """What an answer makes of a delivery. `keeps_token`: a late answer may still come."""

    state: Delivery.State
    outcome: Attempt.Outcome
    reason: str = ""
    detail: str = ""
    keeps_token: bool = True
    not_before: datetime | None = None  # None: as it was
    settled_at: datetime | None = None


@dataclass(frozen=True)
class Suppressed:
    """Nothing goes out, and why. `state` is failed where the content is at fault."""

    reason: Delivery.Reason
    detail: str = ""
    state: Delivery.State = Delivery.State.SUPPRESSED


def lock_recipient(person_id: int, address: str) -> set[int] | None:
    """Let nobody else hand anything over to this person or address, nor merge them, until the transaction ends.

    Returns the ids of the profiles that are this person, or None if that person was merged into another. The advisory
    locks come first, in statements before the one that reads, which therefore sees what their last holder wrote.
    Of the profiles, only the one that stands for the person is locked: merges write to those below it afterwards, in
    whatever order, and whoever merges or splits the person has that one first.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [lock_key("recipient", person_id)])
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [lock_key("recipient_address", address)])
        cursor.execute(
            """
            SELECT FROM profiles_profile WHERE id = %s AND merged_into_id IS NULL FOR NO KEY UPDATE
            """,
            [person_id],
        )
        if not cursor.fetchall():
            return None
        cursor.execute(
            """
            SELECT id FROM profiles_profile WHERE id = %(person)s OR merged_into_id = %(person)s
            """,
            {"person": person_id},
        )
        return {profile_id for (profile_id,) in cursor.fetchall()}


def still_reaches(person_id: int, address: str, *, kind: str, consent_channel: str) -> bool:
    """Whether the address is theirs, it is not on the list of those not written to, and they did not say no.

    As the batch was loaded with, but asked again: a batch may take minutes.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT FROM profiles_identifier AS identifier
            JOIN profiles_identifierkind AS kind ON kind.id = identifier.kind_id
            WHERE kind.key = %(kind)s AND identifier.value = %(address)s AND identifier.profile_id = %(person)s
            AND NOT EXISTS (
                SELECT FROM campaigns_suppression AS suppression
                WHERE suppression.kind_id = identifier.kind_id AND suppression.value = identifier.value
                AND suppression.channel IN ('', %(channel)s)
            )
            AND 'denied' IS DISTINCT FROM (
                SELECT state
                FROM profiles_consent
                WHERE profile_id = %(person)s AND channel = %(channel)s
                ORDER BY occurred_at DESC, state, id DESC
                LIMIT 1
            )
            """,
            {"person": person_id, "address": address, "kind": kind, "channel": consent_channel},
        )
        return bool(cursor.rowcount == 1)


def begin_sending(delivery: Delivery, *, profile_ids: set[int], address: str, now: datetime) -> bool:
    """Move a leased delivery to sending and note the attempt; False if the lease was lost or the message was had.

    Had it: for the same step and occurrence, another delivery to one of the profiles, or to the address, is sending,
    sent or unknown.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH begun AS (
                UPDATE campaigns_delivery mine
                SET state = 'sending', address = %(address)s
                WHERE id = %(id)s AND token = %(token)s AND state = 'claimed'
                AND NOT EXISTS (
                    SELECT FROM campaigns_delivery other
                    WHERE other.campaign_id = mine.campaign_id AND other.profile_id = ANY(%(profiles)s)
                    AND other.step = mine.step AND other.occurrence = mine.occurrence
                    AND other.id <> mine.id AND other.state IN ('sending', 'sent', 'unknown')
                )
                AND NOT EXISTS (
                    SELECT FROM campaigns_delivery other
                    WHERE other.campaign_id = mine.campaign_id AND other.address = %(address)s AND other.address <> ''
                    AND other.step = mine.step AND other.occurrence = mine.occurrence
                    AND other.id <> mine.id AND other.state IN ('sending', 'sent', 'unknown')
                )
                RETURNING mine.id, mine.token
            )
            INSERT INTO campaigns_attempt (delivery_id, token, started_at, outcome, detail)
            SELECT id, token, %(now)s, '', '' FROM begun
            """,
            {
                "id": delivery.pk,
                "token": delivery.token,
                "profiles": list(profile_ids),
                "address": address,
                "now": now,
            },
        )
        return bool(cursor.rowcount == 1)


def settle(delivery: Delivery, settlement: Settlement, *, now: datetime) -> None:
    """Keep the outcome of the attempt, and write the delivery if the token still holds it, sending or unknown."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH tried AS (
                UPDATE campaigns_attempt
                SET ended_at = %(now)s, outcome = %(outcome)s, detail = %(detail)s
                WHERE delivery_id = %(id)s AND token = %(token)s
            )
            UPDATE campaigns_delivery
            SET state = %(state)s, reason = %(reason)s, detail = %(detail)s, leased_until = NULL,
                token = CASE WHEN %(keeps_token)s THEN token END,
                not_before = coalesce(%(not_before)s, not_before), settled_at = %(settled_at)s
            WHERE id = %(id)s AND token = %(token)s AND state IN ('sending', 'unknown')
            """,
            {
                "id": delivery.pk,
                "token": delivery.token,
                "now": now,
                "outcome": settlement.outcome,
                "state": settlement.state,
                "reason": settlement.reason,
                "detail": settlement.detail[:500],
                "keeps_token": settlement.keeps_token,
                "not_before": settlement.not_before,
                "settled_at": settlement.settled_at,
            },
        )


def suppress(rows: Sequence[tuple[Delivery, Suppressed]], *, now: datetime) -> None:
    """Settle leased deliveries that nothing goes out for, as far as their tokens still hold them."""
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE campaigns_delivery AS delivery
            SET state = said.state, reason = said.reason, detail = said.detail, leased_until = NULL, settled_at = %s
            FROM unnest(%s::bigint[], %s::uuid[], %s::text[], %s::text[], %s::text[])
                AS said(id, token, state, reason, detail)
            WHERE delivery.id = said.id AND delivery.token = said.token AND delivery.state = 'claimed'
            """,
            [
                now,
                [delivery.pk for delivery, _said in rows],
                [delivery.token for delivery, _said in rows],
                [said.state.value for _delivery, said in rows],
                [said.reason.value for _delivery, said in rows],
                [said.detail[:500] for _delivery, said in rows],
            ],
        )
