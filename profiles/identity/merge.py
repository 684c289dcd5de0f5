"""Merging profiles: the facts of the absorbed move to the survivor, and all that an undo needs is written down."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from django.contrib.postgres.aggregates import ArrayAgg
from django.db import connection
from django.db.models import Max

from cdp.copy import copy_rows
from profiles.followers import Merged, all_followers
from profiles.identity.feed import write_merged
from profiles.models import Identifier, Profile, ProfileMerge


class ProfileBefore(NamedTuple):
    """A profile as it was before the batch."""

    id: int
    public_id: UUID
    first_seen_at: datetime
    last_seen_at: datetime


class Reason(NamedTuple):
    """Why two are one: the message of a source that said so, or somebody by hand."""

    cause: ProfileMerge.Cause
    source_id: int | None = None
    message_id: str = ""
    user_id: int | None = None


class Absorption(NamedTuple):
    """One profile goes into another. `parent_id` is the profile that it gave way to, which may itself have been
    absorbed by the survivor in the same batch.
    """

    absorbed: ProfileBefore
    survivor: ProfileBefore
    parent_id: int
    reason: Reason


def absorb(absorptions: Sequence[Absorption], *, now: datetime) -> list[Merged]:
    """Move everything but the feeds, set-based; `write_feeds` must follow at the end of the same transaction.

    Identifiers that the same batch brings are written after this, so that a merge knows which came later.
    """
    if not absorptions:
        return []
    record(absorptions, now=now)
    merged = [Merged(absorption.absorbed.id, absorption.survivor.id) for absorption in absorptions]
    mark_absorbed(merged)
    for follower in all_followers():
        if not follower.writes_feed:
            follower.merge(merged, now=now)
    return merged


def write_feeds(merged: Sequence[Merged], *, now: datetime) -> None:
    """The followers that write feed rows, then the feed of identity changes.

    Nothing may lock anything after them in the transaction.
    """
    if not merged:
        return
    for follower in all_followers():
        if follower.writes_feed:
            follower.merge(merged, now=now)
    write_merged(merged, now=now)


def record(absorptions: Sequence[Absorption], *, now: datetime) -> None:
    """One ProfileMerge a pair, written before anything moves."""
    absorbed_ids = [absorption.absorbed.id for absorption in absorptions]
    identifiers = dict(
        Identifier.objects.filter(profile__in=absorbed_ids)
        .values_list("profile_id")
        .annotate(ids=ArrayAgg("id", order_by="id"))
    )
    repointed = dict(
        Profile.objects.filter(merged_into__in=absorbed_ids)
        .values_list("merged_into_id")
        .annotate(ids=ArrayAgg("id", order_by="id"))
    )
    both = {pk for each in absorptions for pk in (each.absorbed.id, each.survivor.id)}
    attributes = dict(Profile.objects.filter(pk__in=both).values_list("pk", "attributes"))
    last_identifier = Identifier.objects.aggregate(last=Max("pk"))["last"]
    copy_rows(
        ProfileMerge._meta.db_table,
        [
            "survivor_id",
            "absorbed_id",
            "parent_id",
            "cause",
            "source_id",
            "message_id",
            "merged_by_id",
            "merged_at",
            "identifiers",
            "last_identifier",
            "repointed",
            "absorbed_before",
            "survivor_before",
        ],
        (
            (
                survivor.id,
                absorbed.id,
                parent_id,
                reason.cause,
                reason.source_id,
                reason.message_id,
                reason.user_id,
                now,
                identifiers.get(absorbed.id, []),
                last_identifier,
                repointed.get(absorbed.id, []),
                as_it_was(absorbed, attributes[absorbed.id]),
                as_it_was(survivor, attributes[survivor.id]),
            )
            for absorbed, survivor, parent_id, reason in absorptions
        ),
    )


def as_it_was(profile: ProfileBefore, attributes: dict[str, Any]) -> str:
    """As the text of a JSON object."""
    before = {"attributes": attributes, "first_seen_at": profile.first_seen_at, "last_seen_at": profile.last_seen_at}
    return orjson.dumps(before).decode()


def mark_absorbed(merged: Sequence[Merged]) -> None:
    """Point the absorbed at their survivors. Their golden record is empty from now on: the survivor's has it all."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE profiles_profile AS profile SET merged_into_id = merged.survivor, attributes = '{}'
            FROM unnest(%s::bigint[], %s::bigint[]) AS merged(absorbed, survivor)
            WHERE profile.id = merged.absorbed
            """,
            [[pair.absorbed for pair in merged], [pair.survivor for pair in merged]],
        )
