"""Computing the scores of a model."""

from __future__ import annotations

from datetime import datetime

from django.db import connection, transaction
from django.utils import timezone

from cdp.cursors import held_rows
from cdp.locks import session_lock
from cdp.models import Run, User
from cdp.rules.scope import Scope
from cdp.runs import advance, queue_run
from profiles.models import Lane
from profiles.refresh.enqueue import enqueue_changes
from profiles.refresh.people import lock_profiles
from tags.models import Score
from tags.score_models import score_models
from tags.scoring import statement_of

SCORE = "score"  # the kind of run; its subject is the key of the model
CHUNK = 10_000  # scores a transaction


def queue_due_scores(*, now: datetime) -> list[Run]:
    """Queue a scoring of each model that was not scored in the business day of `now`, since recency ages by itself.

    One that failed shows so, and comes again the next day, unless somebody asks before.
    """
    today = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    runs_of_today = Run.objects.filter(kind=SCORE, created_at__gte=today)
    scored = set(runs_of_today.values_list("subject", flat=True))
    return [queue_scoring(key) for key in sorted(score_models().keys() - scored)]


def queue_scoring(model_key: str, *, user: User | None = None) -> Run:
    """Queue the computation of one model's scores; one that waits already is enough."""
    return queue_run(SCORE, model_key, user)


def compute_scores(model_key: str, *, now: datetime, run: Run | None = None) -> int:
    """Bring the scores of a model to what it says at `now`; returns for how many profiles they changed.

    Only differences are written, and whoever has one is enqueued for the rules that speak of the score. Cut off
    anywhere, it can simply be run again. One at a time for each model; a second waits.

    Raises KeyError where no model has this key.
    """
    n_changed = 0
    wanted, params = statement_of(model_key, now=now)
    with session_lock(SCORE, model_key, wait=True), held_rows(*difference_statement(model_key, wanted, params)) as rows:
        for chunk in rows.chunks(CHUNK):
            n_changed += write_chunk(model_key, dict(chunk), now=now)
            if run is not None:
                advance(run, n_changed, rows.count, changed=n_changed)
    return n_changed


def difference_statement(model_key: str, wanted: str, params: list[object]) -> tuple[str, list[object]]:
    """SELECT profile id, values as JSON text, NULL where the score goes; by profile id."""
    return (
        f"""
        SELECT profile_id, wanted.values::text
        FROM ({wanted}) AS wanted (profile_id, values)
        FULL JOIN (SELECT profile_id, values FROM tags_score WHERE model = %s) AS held USING (profile_id)
        WHERE held.values IS DISTINCT FROM wanted.values
        ORDER BY profile_id
        """,  # noqa: S608 - the model's own statement, with its values as parameters
        [*params, model_key],
    )


@transaction.atomic
def write_chunk(model_key: str, values: dict[int, str | None], *, now: datetime) -> int:
    """Write the scores of those who were not merged meanwhile, and enqueue them; returns how many."""
    locked = lock_profiles(sorted(values))
    gone = [profile_id for profile_id in locked if values[profile_id] is None]
    if gone:
        Score.objects.filter(Scope(gone).on("profile_id"), model=model_key).delete()
    scored = [profile_id for profile_id in locked if values[profile_id] is not None]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO tags_score (profile_id, model, values, scored_at)
            SELECT profile_id, %s, said::jsonb, %s
            FROM unnest(%s::bigint[], %s::text[]) AS scored (profile_id, said)
            ON CONFLICT (profile_id, model) DO UPDATE
            SET values = excluded.values, scored_at = excluded.scored_at
            """,
            [model_key, now, scored, [values[profile_id] for profile_id in scored]],
        )
    enqueue_changes(locked, f"score:{model_key}", due_at=now, lane=Lane.REBUILD)  # behind what people do just now
    return len(locked)
