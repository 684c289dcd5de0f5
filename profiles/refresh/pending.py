"""Who waits on the queue, and is left to it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from django.db import connection

from cdp.rules.holders import Holder
from cdp.rules.topics import inputs_of
from profiles.refresh.graph import CREATED, MERGE, SPLIT


def pending(holders: Collection[Holder], profile_ids: Sequence[int], *, until: datetime) -> set[int]:
    """Those of the profiles that are about to be judged for one of these holders, because of what was so by
    `until`.
    """
    topics = frozenset({CREATED, MERGE, SPLIT}).union(*map(inputs_of, holders))
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT DISTINCT coalesce(profile.merged_into_id, profile.id)
            FROM profiles_profilechange AS change
            JOIN profiles_profile AS profile ON profile.id = change.profile_id
            WHERE (change.holder = ANY(%s) OR (change.holder = '' AND change.topic = ANY(%s) AND change.due_at <= %s))
                AND coalesce(profile.merged_into_id, profile.id) = ANY(%s)
            """,
            [[holder.key for holder in holders], list(topics), until, list(profile_ids)],
        )
        return {pk for (pk,) in cursor.fetchall()}


def merged_or_split(profile_ids: Sequence[int]) -> dict[tuple[int, str], str]:
    """Which of these, who are locked, were merged or split, as a row of the queue still says: its topic by profile and
    the key of the holder that it is for, "" where it is for all.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT profile_id, holder, min(topic)
            FROM profiles_profilechange
            WHERE topic IN ('merge', 'split') AND profile_id = ANY(%s)
            GROUP BY profile_id, holder
            """,
            [list(profile_ids)],
        )
        return {(profile_id, holder): topic for profile_id, holder, topic in cursor.fetchall()}
