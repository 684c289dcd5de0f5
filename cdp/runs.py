"""Runs: long work that is queued, carried out once by one worker, watched, and run again after a crash.

An app registers the function of a kind with `@run_kind` in its `tasks.py`. Whoever needs the work calls `queue_run`;
the task `cdp.execute_run` carries it out, and beat's `cdp.resume_runs` finds what a lost message or a killed worker
left behind. The function must be safe to run again from the start.

Work that may stop half-way is queued as `cancellable`: `advance` then raises RunCancelled once somebody asked for it,
and what was committed before stays.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import PurePath
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Coalesce, Now
from django.utils.translation import gettext as _

from cdp.celery import app
from cdp.disclosure import Viewer
from cdp.file_errors import in_words
from cdp.local_settings import commit_soon
from cdp.locks import advisory_lock, held_subjects, session_lock
from cdp.models import Run, User
from cdp.trouble import is_transient

logger = logging.getLogger(__name__)

RunFunction = Callable[[Run, datetime], None]

EXECUTE = "cdp.execute_run"
LOCK = "run"
# A message that waited longer is dropped unread: beat sends another while the run waits, so they cannot pile up.
MESSAGE_SECONDS = 60

_functions: dict[str, RunFunction] = {}
_long: set[str] = set()


class RefusedError(ValueError):
    """The work was refused for what it was given, such as a file; the text becomes the run's error."""


class RunCancelled(Exception):
    """Somebody asked the run to stop. A function that has something to tidy up may catch it, and raises it again."""


class NotCancellableError(ValueError):
    """The run has ended, or its work does not stop half-way; the text says which."""


def run_kind(kind: str, *, is_long: bool = False) -> Callable[[RunFunction], RunFunction]:
    """Register the function that does the work of `kind`, called as `function(run, now)`; long work takes minutes."""

    def register(function: RunFunction) -> RunFunction:
        _functions[kind] = function
        if is_long:
            _long.add(kind)
        return function

    return register


def is_long(run_id: int) -> bool:
    """Whether the run is work of minutes, for which the workers keep places (`cdp/tasks.py`)."""
    return Run.objects.filter(pk=run_id, kind__in=_long).exists()


def queue_run(
    kind: str,
    subject: str,
    user: User | None = None,
    params: Mapping[str, Any] | None = None,
    *,
    cancellable: bool = False,
) -> Run:
    """Queue work once the open transaction commits; an equal run that still waits is given back instead.

    The row of a waiting run stays locked until the transaction ends: a worker that takes it up reads what was written.
    """
    wanted = dict(params or {})
    with transaction.atomic():
        advisory_lock("queue_run", f"{kind}:{subject}")
        waiting = Run.objects.filter(kind=kind, subject=subject, params=wanted, state=Run.State.QUEUED)
        run = waiting.select_for_update().first()
        if run is None:
            run = Run.objects.create(kind=kind, subject=subject, user=user, params=wanted, is_cancellable=cancellable)
        hurry(run.pk)
    return run


def hurry(run_id: int) -> None:
    """Send the run to a worker at commit; beat sends it again if this is lost."""
    transaction.on_commit(lambda: app.send_task(EXECUTE, [run_id], expires=MESSAGE_SECONDS), robust=True)


def execute_run(run_id: int, *, now: datetime) -> None:
    """Do the work of a run that is queued, or whose worker was lost. Passes on where another worker holds it.

    The lock sits on a session of its own, so it is gone with its worker, however that ended.
    """
    with session_lock(LOCK, run_id, wait=False) as is_mine:
        if not is_mine:
            return
        taken = (
            Run.objects.unfinished()
            .filter(pk=run_id)
            .update(state=Run.State.RUNNING, started_at=Coalesce("started_at", Now()), error="")
        )
        if taken:
            _carry_out(Run.objects.get(pk=run_id), now=now)


def _carry_out(run: Run, *, now: datetime) -> None:
    """Call the function of the run's kind, and write how it ended; an error is kept and logged, not raised.

    Where the database was away, nothing is written: the run is lost like that of a killed worker, and resumed.
    """
    if run.cancel_asked_at is not None:  # its worker died before it noticed
        _end(run, Run.State.CANCELLED)
        return
    try:
        function = _functions[run.kind]
    except KeyError:
        _end(run, Run.State.FAILED, f"no work is registered for runs of kind {run.kind!r}")
        return
    try:
        function(run, now)
    except RunCancelled:
        logger.info("run %s (%s) was cancelled", run.pk, run)
        _end(run, Run.State.CANCELLED)
    except RefusedError as error:
        logger.info("run %s (%s) was refused", run.pk, run)
        _end(run, Run.State.FAILED, str(error))
    except Exception as error:  # whatever it was, the one who waits for the run must see it
        if is_transient(error):
            logger.warning("run %s (%s) was cut off, and will be resumed: %s", run.pk, run, error)
            return
        logger.exception("run %s (%s) failed", run.pk, run)
        _end(run, Run.State.FAILED, _describe(error))
    else:
        _end(run, Run.State.SUCCEEDED)


def _describe(error: Exception) -> str:
    """What a person reads; of a path only its last part, since where files lie on the server is nobody's concern."""
    if isinstance(error, OSError) and error.strerror:
        return ": ".join(filter(None, [PurePath(str(error.filename or "")).name, in_words(error)]))
    return str(error) or type(error).__name__


def _end(run: Run, state: Run.State, error: str = "") -> None:
    Run.objects.filter(pk=run.pk).update(state=state, error=error, ended_at=Now())


def advance(run: Run, done: int, total: int | None, **counts: int | list[str]) -> None:
    """Write how far the run is; `counts` join those written before. A list names some of what a count counts.

    Raises:
        RunCancelled: somebody asked the run to stop; call it where no transaction is open that should stay.
    """
    run.done, run.total, run.counts = done, total, {**run.counts, **counts}
    with transaction.atomic():
        commit_soon()  # it is shown, and the next step writes it again
        run.save(update_fields=["done", "total", "counts"])
    if run.is_cancellable and Run.objects.filter(pk=run.pk, cancel_asked_at__isnull=False).exists():
        raise RunCancelled


def may_cancel(run: Run, user: Viewer) -> bool:
    """Whether this user may stop the run: their own, or any with the permission to change runs."""
    return run.user_id == user.pk or user.has_perm("cdp.change_run")


def cancel_run(run_id: int, *, now: datetime) -> Run:
    """Stop a run: at once where it still waits, else at its next step. Asking twice changes nothing.

    Raises:
        NotCancellableError: nothing was changed.
    """
    with transaction.atomic():
        run = Run.objects.select_for_update().get(pk=run_id)
        if not run.is_cancellable:
            raise NotCancellableError(_("This work does not stop half-way."))
        if not run.is_unfinished:
            raise NotCancellableError(_("This run has ended already."))
        run.cancel_asked_at = run.cancel_asked_at or now
        if run.state == Run.State.QUEUED:
            run.state, run.ended_at = Run.State.CANCELLED, now
        run.save(update_fields=["cancel_asked_at", "state", "ended_at"])
    return run


def resume_runs() -> int:
    """Send out again the runs that no worker holds, of long ones as many as there are places; returns how many."""
    waiting = dict(Run.objects.unfinished().values_list("pk", "kind"))
    lost = sorted(waiting.keys() - held_subjects(LOCK, waiting))
    placeless = set([run_id for run_id in lost if waiting[run_id] in _long][settings.STAGE_LANES :])
    sent = [run_id for run_id in lost if run_id not in placeless]
    for run_id in sent:
        hurry(run_id)
    return len(sent)


def hurry_next_long() -> None:
    """Send out the first long run that has not begun. One that was cut off is left to beat: its trouble may last."""
    following = Run.objects.filter(state=Run.State.QUEUED, kind__in=_long).order_by("pk").values_list("pk", flat=True)
    for run_id in following[:1]:
        hurry(run_id)
