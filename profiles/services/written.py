"""What of an import is still there and would go if it were taken back, counted; and who stays for what a hand wrote."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import CharField, Count, Exists, OuterRef, Q, QuerySet, UUIDField, Value
from django.db.models.functions import MD5, Cast, Concat

from profiles.followers import all_followers
from profiles.imports.targets import all_targets
from profiles.ingest.message import IDENTIFY_EVENT
from profiles.models import (
    Event,
    EventDefinition,
    Identifier,
    IdentityConflict,
    IdentityLink,
    Import,
    MessageKey,
    Profile,
    Separation,
)
from profiles.services.in_time import count_in_time

IMPORTED = "import-"  # how the ids of messages begin that rows of files are (profiles/imports/messages.py)
STAYING = ("merges", "kept")  # what is counted, and does not go


class Written(NamedTuple):
    """`counts` by name; those named in `at_least` are of the first rows alone, since all of them took too long. They
    are None where not even these could be counted in time.
    """

    counts: dict[str, int] | None
    at_least: frozenset[str] = frozenset()


def written_in_time(import_: Import) -> Written:
    """What `count_written` says, as far as it can be told while somebody waits."""
    return count_in_time(lambda most: count_some(import_, most=most)) or Written(None)


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
    at_least = {"events", "rows", "identifiers", "people"} if counts.total() == most else set()
    for target in all_targets().values():
        found = target.count(import_.pk, most=most)
        if cut := {name for name, n in found.items() if most is not None and n >= most}:
            at_least |= cut | ({"identifiers", "people"} if target.rows_about_people(import_.pk) else set())
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
    forsaken = forsaken_of(import_, most=most)
    theirs = Identifier.objects.filter(import_id=None, profile__in=forsaken)
    counts.update(theirs.aggregate(identifiers=Count("pk"), people=Count("profile", distinct=True)))
    counts["merges"] = len(merges_of(import_, most=most))
    at_least |= {"merges"} if counts["merges"] == most else set()
    return Written({name: n for name, n in counts.items() if n}, frozenset(at_least))


def identify_definition() -> int | None:
    """The event as which rows about people are kept; it is none that a file has brought."""
    return EventDefinition.objects.filter(name=IDENTIFY_EVENT).values_list("pk", flat=True).first()


def nameless_without(import_: Import) -> Q:
    """Of identifiers: their person has none that the import has not made alone."""
    return ~Q(Exists(Identifier.objects.filter(profile=OuterRef("profile")).exclude(import_id=import_.pk)))


def forsaken_of(import_: Import, *, most: int | None = None) -> QuerySet[Profile]:
    """Of the first `most` people of whom it tells events, and of the first whom it tags or puts into segments, those of
    whom nothing else speaks.
    """
    rows = [Event.objects.filter(import_id=import_.pk), *words_of(import_)]
    events, *words = [each.order_by().values("profile")[:most] for each in rows]
    return Profile.objects.current().filter(forsaken_without(import_), pk__in=events.union(*words, all=True))


def words_of(import_: Import) -> list[QuerySet[Any]]:
    """What it wrote about people beside their events, of each model."""
    return [rows for target in all_targets().values() for rows in target.rows_about_people(import_.pk)]


def forsaken_without(import_: Import) -> Q:
    """Of profiles: nothing but this import speaks of them. Several files have named them, so that their identifiers are
    nobody's in particular, and of these no other is left; no other message has an event of theirs, ties one of their
    identifiers or leaves one out, and no hand has written of them or taken them apart.
    """
    events = Event.objects.filter(profile=OuterRef("pk")).exclude(import_id=import_.pk)
    rows = [events, *(found for each in all_followers() if (found := each.beside(import_.pk)) is not None)]
    speaks = Q()
    for found in rows:
        speaks |= Q(Exists(found.filter(profile=OuterRef("pk"))))
    for side in ("left", "right"):
        theirs = {f"{side}__profile": OuterRef("pk")}
        speaks |= Q(Exists(links_beside(import_).filter(**theirs)))
        speaks |= Q(Exists(Separation.objects.in_force().filter(**theirs)))
    # A message that names them beside somebody else, of whom its event is. A conflict names but the last of several.
    named = IdentityConflict.objects.filter(said_beside(import_) | Q(n_messages__gt=1))
    speaks |= Q(Exists(named.filter(left_out__profile=OuterRef("pk"))))
    return ~speaks


def links_beside(import_: Import) -> QuerySet[IdentityLink]:
    """What a message of this import, or of one that was taken back, has not tied."""
    return IdentityLink.objects.filter(said_beside(import_))


def said_beside(import_: Import) -> Q:
    """Of rows that name a message: it is none of this import, nor of one that was taken back."""
    source = Cast(OuterRef("source_id"), CharField())
    message_key = Cast(MD5(Concat(source, Value(":"), OuterRef("message_id"))), UUIDField())
    known = MessageKey.objects.filter(key=message_key).exclude(import_id=import_.pk)
    return ~Q(message_id__startswith=IMPORTED) | Q(Exists(known))


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
