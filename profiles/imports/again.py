"""Files taken in once more, after an earlier one was taken back that had said the same: what went with it is said
again by them, as of when they said it first. What of them stands is known by its messages, and not written twice.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from django.utils.translation import gettext as _

from cdp.file_errors import in_words
from cdp.models import Run
from cdp.runs import RefusedError, advance
from profiles.imports.engine import start, take_all
from profiles.imports.messages import RowMessages
from profiles.imports.take import Taken
from profiles.models import Import
from profiles.models.imports import IMPORT_AGAIN

logger = logging.getLogger(__name__)

# Lists in the counts of the run: ids of files that are through, and of those that could not be, each `id: reason`.
DONE, PASSED = "again", "not_again"
COUNTED = ("new", "changed", "unchanged", "events", "merges")


class Place(NamedTuple):
    """Where a run is: the files behind it, by id, and the rows of the next one that are done."""

    behind: frozenset[int]
    n_done: int


def place_of(run: Run, sizes: dict[int, int]) -> Place:
    """`sizes` are the rows of each file of the run, in its order."""
    behind = frozenset(int(pk) for pk in [*run.counts.get(DONE, []), *passed_over(run)])
    return Place(behind, run.done - sum(n for pk, n in sizes.items() if pk in behind))


def passed_over(run: Run) -> dict[str, str]:
    """The files that it could not take in, by id: why."""
    return {pk: reason for pk, _colon, reason in (said.partition(": ") for said in run.counts.get(PASSED, []))}


def error_of(import_: Import) -> str:
    """Why the latest run of the import failed; where that took in several files, why it did not take in this one."""
    run = import_.run
    if run is None:
        return ""
    if run.kind == IMPORT_AGAIN and str(import_.pk) in run.counts.get(DONE, []):
        return ""
    return passed_over(run).get(str(import_.pk)) or run.error


def is_through(import_: Import, *, run_before: int) -> bool:
    """Whether a run that was queued behind `run_before` (an id) has taken this file in again."""
    run = import_.run
    return run is not None and run.pk > run_before and str(import_.pk) in run.counts.get(DONE, [])


def take_again(taken_back: Import, later: Sequence[Import], run: Run, *, now: datetime) -> None:
    """Take these files in once more, one after the other; killed anywhere, it goes on there when run again.

    Raises:
        RefusedError: once all others are through, some could not be read; the text says which and why.
        RunCancelled: after a batch.
    """
    sizes = {import_.pk: import_.n_done for import_ in later}
    advance(run, run.done, sum(sizes.values()))
    for import_ in later:
        behind, n_done = place_of(run, sizes)
        if import_.pk in behind:
            continue
        outcome, said = DONE, str(import_.pk)
        try:
            take_file(import_, run, n_done, is_twin=is_twin(import_, taken_back), now=now)
        except (RefusedError, OSError) as error:
            logger.warning("import %s was not taken in again: %s", import_.pk, error)
            reason = in_words(error) if isinstance(error, OSError) else str(error)
            outcome, said = PASSED, f"{import_.pk}: {reason}"
        listed = [*run.counts.get(outcome, []), said]
        end = sum(n for pk, n in sizes.items() if pk in behind or pk == import_.pk)
        advance(run, end, run.total, **{outcome: listed})
    if run.counts.get(PASSED):
        files = "; ".join(f"#{said}" for said in run.counts[PASSED])
        raise RefusedError(_("Not imported again: %(files)s") % {"files": files})


def is_twin(import_: Import, other: Import) -> bool:
    """Whether both are the same file by the same mapping; what one wrote beside words is then the other's too."""
    return (import_.sha256, import_.mapping) == (other.sha256, other.mapping)


def take_file(import_: Import, run: Run, n_done: int, *, is_twin: bool, now: datetime) -> None:
    """The rows that were taken in before, behind the first `n_done`. What these say beside words of people and events
    stands, since another file had said it too, unless that was a twin.
    """
    job = start(import_, run, now=now)
    job.said_at, job.until = import_.started_at or now, import_.n_done
    job.is_again, job.writes_targets = True, is_twin
    before = run.done - n_done
    counts = Counter({name: run.counts.get(name, 0) for name in COUNTED})

    def note(batch: Sequence[RowMessages], taken: Taken) -> None:
        counts.update({name: n for name, n in taken.counts.items() if name in COUNTED})
        run.done += len(batch)
        run.counts = {**run.counts, **counts}
        run.save(update_fields=["done", "counts"])

    def after(batch: Sequence[RowMessages]) -> None:
        advance(run, run.done, run.total)

    take_all(job, place=lambda: run.done - before, note=note, after=after)
