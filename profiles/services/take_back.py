"""Taking an import back: what it wrote, and nothing has touched since, goes again.

Person by person: the events that it brought, its words of consent, its part in attributes (which are folded again from
what else was said), the identifiers that it made and nothing else has named, and whoever is left without any. Of whom a
hand has written something since keeps the identifiers, and stays with that. Merges stay: they are undone one by one,
where somebody sees whom they concern.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import CASCADE, Exists, F, ForeignKey, ManyToOneRel, OuterRef, Q, QuerySet

from cdp.locks import advisory_lock
from cdp.models import Run
from cdp.rules.scope import Scope
from cdp.rules.sql import any_of_array, text_array
from cdp.runs import advance
from profiles.identity.identifiers import release_from_imports
from profiles.identity.kinds import load_kinds
from profiles.identity.resolve import lock_profiles
from profiles.identity.retelling import retell
from profiles.imports.targets import all_targets
from profiles.ingest.changes import CREATED
from profiles.ingest.records import fold_into_profiles
from profiles.ingest.refold import rebuilt, share_definitions, write_rows
from profiles.models import (
    AttributeDefinition,
    Consent,
    Contribution,
    Event,
    Identifier,
    Import,
    Profile,
)
from profiles.refresh.enqueue import enqueue_changes, enqueue_coming
from profiles.services.erase import erase_empty
from profiles.services.written import (
    STAYING,
    count_written,
    forsaken_without,
    identify_definition,
    nameless_without,
    touched_by_hand,
    words_of,
)

# Taken back in one transaction. Of 500, a third more processor time and half more round trips went on each person; an
# import holds the identity lock for 4,000 rows.
PEOPLE = 2_000
KEYS = 20_000  # message keys deleted in one transaction
ROWS = 2_000  # of tags, members and the like


class Gone(NamedTuple):
    """What of one source's messages went: who said it about whom, and the ids of its identify messages, as which
    rows about people are kept.
    """

    n_events: int
    n_rows: int
    anchor_ids: list[int]
    message_ids: list[str]


def take_back_rows(import_: Import, run: Run, *, now: datetime) -> None:
    """Take everything back, batch after batch; killed anywhere, it goes on when run again.

    Raises RunCancelled after a batch; what has gone stays gone.
    """
    counts: Counter[str] = Counter(run.counts)  # of before it was killed
    total = n_gone(counts) + n_gone(count_written(import_))
    # First: with its keys alone left, what a corrected file says meanwhile would count as known, and be lost.
    while n := forget_keys(import_):
        counts["messages"] += n
        report(run, counts, total)
    forsaken = forsaken_by_words(import_)
    for n in range(0, len(forsaken), PEOPLE):
        counts += take_back_forsaken(import_, forsaken[n : n + PEOPLE], now=now)
        report(run, counts, total)
    for key, target in all_targets().items():
        while n := target.take_back(import_.pk, now=now, limit=ROWS):
            counts[key] += n
            report(run, counts, total)
    while batch := take_back_people(import_, now=now):
        counts += batch
        report(run, counts, total)
    Import.objects.filter(pk=import_.pk).update(taken_back_at=now, taken_back_by=run.user)


def report(run: Run, counts: Counter[str], total: int) -> None:
    done = n_gone(counts)
    advance(run, done, max(total, done), **counts)


def n_gone(counts: Mapping[str, int]) -> int:
    return sum(n for name, n in counts.items() if name != "messages" and name not in STAYING)


def forsaken_by_words(import_: Import) -> list[int]:
    """Whom it tags or puts into segments alone, once every other file that spoke of them is taken back; of whom it has
    events go with these. They are found by its words, so before these go.
    """
    if not (words := words_of(import_)):
        return []
    first, *others = [rows.order_by().values("profile") for rows in words]
    people = forsaken_people(import_).filter(pk__in=first.union(*others))
    return list(people.order_by("pk").values_list("pk", flat=True))


def forsaken_people(import_: Import) -> QuerySet[Profile]:
    """Of whom nothing but its words speaks: neither events or identifiers of its own nor any value."""
    events = Event.objects.filter(profile=OuterRef("pk"))
    named = Identifier.objects.filter(profile=OuterRef("pk"), import_id__isnull=False)
    values = Contribution.objects.filter(anchor__profile=OuterRef("pk"))
    return Profile.objects.current().filter(forsaken_without(import_), ~Exists(events), ~Exists(named), ~Exists(values))


@transaction.atomic
def take_back_forsaken(import_: Import, profile_ids: Sequence[int], *, now: datetime) -> Counter[str]:
    """Erase those of them of whom still nothing else speaks, with the words."""
    advisory_lock("identity")
    lock_profiles(profile_ids)
    forsaken = list(forsaken_people(import_).filter(Scope(profile_ids).on("pk")).values_list("pk", flat=True))
    if not forsaken:
        return Counter()
    mark_taken_back(import_, forsaken)
    counts: Counter[str] = Counter()
    for key, target in all_targets().items():
        for rows in target.rows_about_people(import_.pk):
            counts[key] += rows.filter(Scope(forsaken).on("profile_id")).count()
    identifiers = Identifier.objects.filter(Scope(forsaken).on("profile_id"))
    counts["identifiers"] = delete_identifiers(list(identifiers.values_list("pk", flat=True)))
    counts["people"] = len(erase_empty(forsaken, now=now))
    return +counts


def mark_taken_back(import_: Import, profile_ids: Sequence[int]) -> None:
    """Who has looked at these people before the lock sees by it that they are to be looked at again."""
    Import.objects.filter(pk=import_.pk).update(n_people_taken_back=F("n_people_taken_back") + len(profile_ids))


@transaction.atomic
def take_back_people(import_: Import, *, now: datetime) -> Counter[str]:
    """Of the next people, what the import brought; empty where nothing is left."""
    share_definitions()
    kinds = load_kinds()
    advisory_lock("identity")
    profile_ids = next_people(import_)
    if not profile_ids:
        return Counter()
    lock_profiles(profile_ids)
    mark_taken_back(import_, profile_ids)
    gone = delete_events(import_, profile_ids)
    Consent.objects.filter(Scope(profile_ids).on("profile_id"), said_by(import_, gone)).delete()
    keys = forget_contributions(import_, gone)
    n_kept = keep_whom_hands_touched(import_, profile_ids)
    n_identifiers = forget_identifiers(import_, profile_ids) + forget_forsaken(import_, profile_ids)
    if staying := who_has_identifiers(profile_ids):  # of most files, nobody
        for definition in AttributeDefinition.objects.filter(pk__in=keys).order_by("pk"):
            write_rows(rebuilt(definition, staying, kinds=kinds))
        fold_into_profiles(staying)
        set_seen(staying)
        retell(staying)
        enqueue_changes(staying, CREATED, due_at=now)  # everything about them may be another
        enqueue_coming(staying, now=now)  # who was seen before may now be seen first at a time to come
    erased = erase_empty(profile_ids, now=now)
    counts = Counter(events=gone.n_events, rows=gone.n_rows, identifiers=n_identifiers, people=len(erased))
    if n_kept:
        counts["kept"] = n_kept
    return counts


def next_people(import_: Import) -> list[int]:
    """Who has events of the import, then who has only identifiers that it made."""
    for model in (Event, Identifier):
        rows = model._default_manager.filter(import_id=import_.pk).values_list("profile_id", flat=True)
        if found := sorted(set(rows[:PEOPLE])):
            return found
    return []


def delete_events(import_: Import, profile_ids: Sequence[int]) -> Gone:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH gone AS (
                DELETE FROM profiles_event
                WHERE profile_id = ANY(%s) AND import_id = %s
                RETURNING anchor_id, message_id, definition_id
            )
            SELECT count(*) FILTER (WHERE definition_id IS DISTINCT FROM %s), count(*), array_agg(DISTINCT anchor_id),
                coalesce(array_agg(message_id) FILTER (WHERE message_id IS NOT NULL), '{}')
            FROM gone
            """,
            [list(profile_ids), import_.pk, identify_definition()],
        )
        n_events, n_all, anchor_ids, message_ids = cursor.fetchone()
        return Gone(n_events, n_all - n_events, anchor_ids or [], message_ids)


def forget_contributions(import_: Import, gone: Gone) -> set[int]:
    """Delete the last values that these messages gave; returns the definitions that they may have had part in.

    Only rows about people give any: whose orders go is not made anew from all that was ever said of them.
    """
    if not gone.n_rows:
        return set()
    touched = Contribution.objects.filter(Scope(gone.anchor_ids).on("anchor_id"), source=import_.source_id)
    definitions = set(touched.values_list("definition", flat=True).distinct())
    touched.filter(said_by(import_, gone)).delete()
    return definitions


def said_by(import_: Import, gone: Gone) -> Q:
    """What these messages have said. As one parameter: a list of thousands took Python longer than the server."""
    return Q(any_of_array(F("message_id"), text_array(gone.message_ids)), source=import_.source_id)


def keep_whom_hands_touched(import_: Import, profile_ids: Sequence[int]) -> int:
    """Let go of the identifiers of people who would be left without a name, and with them what a hand wrote of them:
    they are the import's no more. Returns how many people that are.
    """
    mine = Identifier.objects.filter(Scope(profile_ids).on("profile_id"), import_id=import_.pk)
    kept = list(mine.filter(nameless_without(import_), touched_by_hand()).values_list("pk", "profile_id"))
    release_from_imports(pk for pk, _profile_id in kept)
    return len({profile_id for _pk, profile_id in kept})


def forget_identifiers(import_: Import, profile_ids: Sequence[int]) -> int:
    """Delete those that only the import has named; returns how many."""
    rows = Identifier.objects.filter(Scope(profile_ids).on("profile_id"), import_id=import_.pk)
    return delete_identifiers(list(rows.values_list("pk", flat=True)))


def forget_forsaken(import_: Import, profile_ids: Sequence[int]) -> int:
    """Delete all identifiers of people whom several files had named, now that nothing else speaks of them; returns how
    many. They are erased by that, whichever of the files was taken back last.
    """
    values = Contribution.objects.filter(anchor__profile=OuterRef("pk"))
    people = Profile.objects.current().filter(Scope(profile_ids).on("pk"), forsaken_without(import_), ~Exists(values))
    forsaken = list(people.values_list("pk", flat=True))
    if not forsaken:
        return 0
    rows = Identifier.objects.filter(Scope(forsaken).on("profile_id"))
    return delete_identifiers(list(rows.values_list("pk", flat=True)))


def delete_identifiers(ids: Sequence[int]) -> int:
    """Delete them with all that hangs on them; returns how many.

    A statement for each table: Django's own deletion makes an object of each identifier first, which took half of the
    time of taking back.
    """
    if not ids:
        return 0
    for key in keys_to_identifiers():
        key.model._default_manager.filter(Scope(ids).on(key.attname)).delete()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM profiles_identifier WHERE id = ANY(%s)", [list(ids)])
    return len(ids)


def keys_to_identifiers() -> Iterator[ForeignKey[Any, Any]]:
    """Those of the keys whose rows go with their identifier."""
    for relation in Identifier._meta.get_fields(include_hidden=True):
        if isinstance(relation, ManyToOneRel) and relation.on_delete is CASCADE:
            yield relation.field


def who_has_identifiers(profile_ids: Sequence[int]) -> list[int]:
    owners = Identifier.objects.filter(Scope(profile_ids).on("profile_id")).values_list("profile_id", flat=True)
    return sorted(set(owners))


def set_seen(profile_ids: Sequence[int]) -> None:
    """First and last seen as what is left says: none of their identifiers before the first, nor after the last, where
    it was named but beside somebody else. Of whom no event is left, as it was.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH seen AS MATERIALIZED (
                SELECT profile_id, min(occurred_at) AS first_at, max(occurred_at) AS last_at
                FROM profiles_event WHERE profile_id = ANY(%s) GROUP BY profile_id
            ), first_seen AS (
                UPDATE profiles_profile AS profile SET first_seen_at = seen.first_at
                FROM seen WHERE profile.id = seen.profile_id AND profile.first_seen_at <> seen.first_at
            ), identifiers_seen AS (
                UPDATE profiles_identifier AS identifier SET first_seen_at = seen.first_at
                FROM seen WHERE identifier.profile_id = seen.profile_id AND identifier.first_seen_at < seen.first_at
            )
            UPDATE profiles_lastsight AS sight SET at = last.at
            FROM (
                SELECT seen.profile_id, greatest(seen.last_at, max(identifier.first_seen_at)) AS at
                FROM seen LEFT JOIN profiles_identifier AS identifier USING (profile_id)
                GROUP BY seen.profile_id, seen.last_at
            ) AS last
            WHERE sight.profile_id = last.profile_id AND sight.at <> last.at
            """,
            [list(profile_ids)],
        )


def forget_keys(import_: Import) -> int:
    """Forget up to KEYS messages of the import, so that they can come again; returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            DELETE FROM profiles_messagekey
            WHERE key = ANY(ARRAY(SELECT key FROM profiles_messagekey WHERE import_id = %s LIMIT %s))
            """,
            [import_.pk, KEYS],
        )
        return int(cursor.rowcount)
