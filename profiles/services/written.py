"""What of an import is still there and would go if it were taken back, counted; and who stays for what a hand wrote."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from django.db import connection, transaction
from django.db.models import Count, Exists, OuterRef, Q

from cdp.local_settings import TimeLimitExceeded, deadline
from profiles.followers import all_followers
from profiles.imports.targets import all_targets
from profiles.ingest.message import IDENTIFY_EVENT
from profiles.models import Event, EventDefinition, Identifier, Import

COUNT_SECONDS = 3  # somebody waits for the page
MOST = 50_000  # rows that are looked at where all of them take longer
STAYING = ("merges", "kept")  # what is counted, and does not go


class Written(NamedTuple):
    """`counts` by name; those named in `at_least` are of the first rows alone, since all of them took too long. They
    are None where not even these could be counted in time.
    """

    counts: dict[str, int] | None
    at_least: frozenset[str] = frozenset()


def written_in_time(import_: Import) -> Written:
    """What `count_written` says, as far as it can be told while somebody waits: in twice COUNT_SECONDS at most."""
    for most in (None, MOST):
        try:
            with transaction.atomic(), deadline(COUNT_SECONDS):
                return count_some(import_, most=most)
        except TimeLimitExceeded:
            continue
    return Written(None)


def count_written(import_: Import) -> dict[str, int]:
    """What a taking back would remove now, by name; `merges` are those that it would leave, `kept` the people who would
    be left without a name, and stay for what a hand wrote of them. Some seconds for a million rows.
    """
    return count_some(import_, most=None).counts or {}


def count_some(import_: Import, *, most: int | None) -> Written:
    """Of each table the first `most` rows of the import, None for all."""
    written = Event.objects.filter(import_id=import_.pk).values("definition")[:most]
    is_row = Q(definition=identify_definition())
    counts = Counter(written.aggregate(events=Count("pk", filter=~is_row), rows=Count("pk", filter=is_row)))
    at_least = {"events", "rows"} if counts.total() == most else set()
    for target in all_targets().values():
        found = target.count(import_.pk, most=most)
        at_least |= {name for name, n in found.items() if most is not None and n >= most}
        counts.update(found)
    mine = Identifier.objects.filter(import_id=import_.pk)
    n_mine = mine[:most].count()
    if n_mine == most:
        at_least |= {"identifiers", "people", "kept"}
        mine = mine.filter(pk__in=mine.order_by("pk").values("pk")[:most])
    alone = mine.filter(nameless_without(import_))
    kept = alone.filter(touched_by_hand())
    counts["identifiers"] = n_mine - kept.count()
    counts["kept"] = kept.values("profile").distinct().count()
    counts["people"] = alone.values("profile").distinct().count() - counts["kept"]
    counts["merges"] = len(merges_of(import_, most=most))
    at_least |= {"merges"} if counts["merges"] == most else set()
    return Written({name: n for name, n in counts.items() if n}, frozenset(at_least))


def identify_definition() -> int | None:
    """The event as which rows about people are kept; it is none that a file has brought."""
    return EventDefinition.objects.filter(name=IDENTIFY_EVENT).values_list("pk", flat=True).first()


def nameless_without(import_: Import) -> Q:
    """Of identifiers: their person has none that the import has not made alone."""
    return ~Q(Exists(Identifier.objects.filter(profile=OuterRef("profile")).exclude(import_id=import_.pk)))


def touched_by_hand() -> Q:
    """Of identifiers: somebody has written something about their person by hand, which stands."""
    touched = Q()
    for follower in all_followers():
        if (rows := follower.by_hand()) is not None:
            touched |= Q(Exists(rows.filter(profile=OuterRef("profile"))))
    return touched


def merges_of(import_: Import, *, most: int | None = None) -> list[int]:
    """Ids of the merges that messages of the import asked for."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT merge.id
            FROM profiles_profilemerge AS merge
            JOIN profiles_messagekey AS known
                ON known.key = md5(merge.source_id::text || ':' || merge.message_id)::uuid
            WHERE merge.source_id = %s AND merge.merged_at >= %s AND known.import_id = %s
            ORDER BY merge.id
            LIMIT %s
            """,
            [import_.source_id, import_.created_at, import_.pk, most],
        )
        return [merge_id for (merge_id,) in cursor.fetchall()]
