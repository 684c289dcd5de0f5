"""The search for probable pairs, as a run: read, block, learn, score, write."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import connection, transaction
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from cdp.copy import copy_rows
from cdp.cursors import HeldRows, held_rows
from cdp.locks import session_lock
from cdp.models import Run, User
from cdp.runs import RefusedError, advance, queue_run
from profiles.services.duplicates.engine import Engine, Found, NotInstalled, check_installed, is_installed
from profiles.services.duplicates.records import write_records

FIND_DUPLICATES = "find_duplicates"  # kind of the runs
SUBJECT = "duplicates"
FOLDER = "duplicates"  # in the data folder; holds personal data while a search runs
MAX_SUGGESTIONS = 100_000
SETTLED_AT_ONCE = 10_000  # pairs read at a time
N_STEPS = 5
WEEK = timedelta(days=7)
NIGHT = range(1, 6)  # hours of the business zone


def queue_search(*, user: User | None = None) -> Run:
    """Queue a search, or give back the one that waits or runs. Not for what is not installed: the run would fail.

    Raises:
        NotInstalled: the extra is missing.
    """
    check_installed()
    under_way = Run.objects.unfinished().filter(kind=FIND_DUPLICATES).order_by("id").first()
    return under_way or queue_run(FIND_DUPLICATES, SUBJECT, user=user, cancellable=True)


def queue_due_search(*, now: datetime) -> Run | None:
    """Once a week, at night: queue a search where the last one is a week old; past eight days, at any hour.

    Where the extra is not installed, none is due.
    """
    if not is_installed():
        return None
    last = Run.objects.filter(kind=FIND_DUPLICATES).order_by("-id").values_list("created_at", flat=True).first()
    is_night = localtime(now).hour in NIGHT
    if last is None:
        return queue_search() if is_night else None
    return queue_search() if now - last >= (WEEK if is_night else WEEK + timedelta(days=1)) else None


def search_duplicates(run: Run, *, now: datetime) -> None:
    """Suggest the pairs of current profiles that are one person with at least the probability of the settings.

    Counts of the run: people and pairs that were compared, pairs that are weighed so far, keys and pairs that were not
    since too many people share the key, suggestions that are new, still there, and outdated. It may be killed at any
    line: it starts over, and suggestions change in one transaction at the end.

    Raises:
        RefusedError: the extra is not installed, or another search is under way.
    """
    try:
        check_installed()
    except NotInstalled as error:
        raise RefusedError(str(error)) from error
    with session_lock("find_duplicates", wait=False) as is_mine:
        if not is_mine:
            raise RefusedError(_("Another search for duplicates is under way."))
        with work_folder() as folder:
            _search(run, folder, now=now)


def _search(run: Run, folder: Path, *, now: datetime) -> None:
    records = folder / "records.parquet"
    advance(run, 0, N_STEPS)
    write_records(records, on_chunk=lambda n_people: advance(run, 0, N_STEPS, people=n_people))
    engine = Engine(folder)
    try:
        advance(run, 1, N_STEPS)
        engine.load(records)
        with settled_pairs() as settled:
            blocked = engine.block(settled.chunks(SETTLED_AT_ONCE))
        advance(
            run, 2, N_STEPS, pairs_compared=blocked.n_pairs, common_keys_left_out=blocked.n_blocks_left_out,
            pairs_left_out=blocked.n_pairs_left_out,
        )  # fmt: skip
        learnt = engine.learn()
        advance(run, 3, N_STEPS, fields_learnt=len(learnt))
        engine.score(on_part=lambda n_weighed: advance(run, 3, N_STEPS, pairs_weighed=n_weighed))
        advance(run, 4, N_STEPS)
        n_found, found = engine.found(threshold=settings.DUPLICATE_THRESHOLD, at_most=MAX_SUGGESTIONS)
        new, kept, outdated = write_suggestions(found, run=run, now=now)
    finally:
        engine.close()
    advance(
        run, N_STEPS, N_STEPS, new_suggestions=new, kept_suggestions=kept, outdated_suggestions=outdated,
        suggestions_left_out=max(0, n_found - MAX_SUGGESTIONS),
    )  # fmt: skip


@contextmanager
def work_folder() -> Iterator[Path]:
    """An empty folder for one search, that nobody else reads; what a killed search left in it is deleted."""
    folder: Path = settings.DATA_DIR / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def settled_pairs() -> AbstractContextManager[HeldRows]:
    """Pairs of profiles that are not to be suggested: decided already, or kept apart by a separation; less id first.

    What was decided of two profiles holds for the two people that they have become.
    """
    return held_rows(
        """
        SELECT DISTINCT least(l, r), greatest(l, r)
        FROM (
            SELECT coalesce(one.merged_into_id, one.id), coalesce(other.merged_into_id, other.id)
            FROM profiles_duplicatesuggestion AS suggestion
            JOIN profiles_profile AS one ON one.id = suggestion.left_id
            JOIN profiles_profile AS other ON other.id = suggestion.right_id
            WHERE suggestion.state IN ('accepted', 'rejected')
            UNION ALL
            SELECT one.profile_id, other.profile_id
            FROM profiles_separation AS separation
            JOIN profiles_identifier AS one ON one.id = separation.left_id
            JOIN profiles_identifier AS other ON other.id = separation.right_id
            WHERE separation.lifted_at IS NULL
        ) AS settled (l, r)
        WHERE l <> r
        """,
        [],
    )


def write_suggestions(found: Iterable[Found], *, run: Run, now: datetime) -> tuple[int, int, int]:
    """Make the open suggestions those that were found; returns how many are new, were there, and are outdated.

    Those that are there are locked first, in the order of id: whoever decides them meanwhile does so before or after.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            """
            CREATE TEMPORARY TABLE found_pair
                (left_id bigint, right_id bigint, probability double precision, evidence jsonb)
            """
        )
        copy_rows(
            "found_pair",
            ["left_id", "right_id", "probability", "evidence"],
            (
                (pair.left, pair.right, pair.probability, json.dumps([each._asdict() for each in pair.evidence]))
                for pair in found
            ),
        )
        cursor.execute("CREATE TEMPORARY TABLE known_pair (id bigint)")
        cursor.execute(
            """
            WITH locked AS MATERIALIZED (
                SELECT id
                FROM profiles_duplicatesuggestion
                WHERE id IN (
                    SELECT id FROM profiles_duplicatesuggestion WHERE state = 'open'
                    UNION
                    SELECT id FROM profiles_duplicatesuggestion JOIN found_pair USING (left_id, right_id)
                )
                ORDER BY id
                FOR UPDATE
            )
            INSERT INTO known_pair SELECT id FROM locked
            """
        )
        cursor.execute(
            """
            WITH written AS (
                INSERT INTO profiles_duplicatesuggestion AS suggestion
                    (left_id, right_id, probability, evidence, state, run_id, suggested_at)
                SELECT left_id, right_id, probability, evidence, 'open', %(run)s, %(now)s
                FROM found_pair
                JOIN profiles_profile AS one
                    ON one.id = left_id AND one.merged_into_id IS NULL AND one.erased_at IS NULL
                JOIN profiles_profile AS other
                    ON other.id = right_id AND other.merged_into_id IS NULL AND other.erased_at IS NULL
                ORDER BY left_id, right_id
                ON CONFLICT (left_id, right_id) DO UPDATE
                SET probability = excluded.probability, evidence = excluded.evidence, run_id = excluded.run_id,
                    state = 'open',
                    suggested_at = CASE suggestion.state
                        WHEN 'open' THEN suggestion.suggested_at ELSE excluded.suggested_at END
                WHERE suggestion.state IN ('open', 'outdated')
                RETURNING suggestion.suggested_at = %(now)s AS is_new
            )
            SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE NOT is_new) FROM written
            """,
            {"run": run.pk, "now": now},
        )
        new, kept = cursor.fetchone()
        cursor.execute(
            """
            UPDATE profiles_duplicatesuggestion SET state = 'outdated'
            WHERE state = 'open' AND run_id IS DISTINCT FROM %s AND id IN (SELECT id FROM known_pair)
            """,
            [run.pk],
        )
        outdated = cursor.rowcount
        cursor.execute("DROP TABLE found_pair, known_pair")
    return new, kept, outdated
