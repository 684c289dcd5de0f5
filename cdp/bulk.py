"""Doing something with many people by a run, a chunk at a time, which another run takes back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from cdp.models import Run, User
from cdp.runs import RefusedError, advance, queue_run

CHUNK = 2_000  # people a transaction: so long may somebody wait for one of them or for the feed


def work_through(
    run: Run,
    people: Sequence[int],
    work: Callable[[Sequence[int]], tuple[int, int]],
    *,
    changed: str,
    others: str = "unchanged",
    counts: Mapping[str, int] = MappingProxyType({}),
) -> None:
    """`work` does a chunk in a transaction of its own and returns how many it changed, counted as `changed`, and how
    many `others` not; `counts` are of what was asked for. Cut off anywhere, it goes on after the last chunk it noted.
    Raises RefusedError where `work` refuses.
    """
    n_changed, n_others = (int(run.counts.get(name, 0)) for name in (changed, others))
    for start in range(run.done, len(people), CHUNK):
        chunk = people[start : start + CHUNK]
        try:
            of_chunk = work(chunk)
        except ValidationError as error:
            raise RefusedError(" ".join(error.messages)) from error
        n_changed, n_others = n_changed + of_chunk[0], n_others + of_chunk[1]
        advance(run, start + len(chunk), len(people), **{changed: n_changed, others: n_others}, **counts)


def queue_undo_of(bulk: Any, kind: str, params: dict[str, Any], *, user: User) -> Run:
    """`bulk`, which the caller has locked, holds a `run` and its `undo_run`; twice is as once. Raises ValidationError
    while the run is under way.
    """
    run: Run = bulk.run
    if run.ended_at is None:
        raise ValidationError(_("It is still under way: cancel it, or wait for its end."))
    if bulk.undo_run is None:
        bulk.undo_run = queue_run(kind, run.subject, user, params)
        bulk.save(update_fields=["undo_run"])
    undo: Run = bulk.undo_run
    return undo
