"""Telling the queue that something about profiles changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import connection

from cdp.copy import copy_rows
from cdp.stages import wake
from profiles.models import Lane, ProfileChange


def enqueue_changes(profile_ids: Iterable[int], topic: str, *, due_at: datetime, lane: Lane = Lane.LIVE) -> None:
    """One row a profile, and a wake-up once the transaction commits."""
    n_rows = copy_rows(
        ProfileChange._meta.db_table,
        ["profile_id", "topic", "lane", "due_at", "holder"],
        ((profile_id, topic, lane, due_at, "") for profile_id in profile_ids),
    )
    if n_rows:
        wake("profiles_changed")


def enqueue_coming(profile_ids: Sequence[int], *, now: datetime) -> None:
    """Put on the queue what is still to come for these profiles, due at its time: events, first and last sights.

    Collecting does so as it writes them; whoever moves them from one profile to another must do it again.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO profiles_profilechange (profile_id, topic, lane, due_at, holder)
            SELECT event.profile_id, 'event:' || definition.name, %s, event.occurred_at, ''
            FROM profiles_event AS event
            JOIN profiles_eventdefinition AS definition ON definition.id = event.definition_id
            WHERE event.profile_id = ANY(%s) AND event.occurred_at > %s
            UNION
            SELECT profile.id, 'attribute:' || seen.key, %s, seen.at, ''
            FROM profiles_profile AS profile
                JOIN profiles_lastsight AS sight ON sight.profile_id = profile.id,
                LATERAL (VALUES ('first_seen_at', profile.first_seen_at), ('last_seen_at', sight.at)) AS seen (key, at)
            WHERE profile.id = ANY(%s) AND seen.at > %s
            """,
            [Lane.LIVE, list(profile_ids), now, Lane.LIVE, list(profile_ids), now],
        )
