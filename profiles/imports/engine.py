"""Taking a file in: batch after batch, each in one transaction with the place where the next begins.

Rows do not pass the inbox: what the run has done is done, and its counts say what became of every row. The next rows
are read and understood while the database works on those before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path

from django.db import transaction
from django.db.models.functions import Now

from cdp.copy import meanwhile
from cdp.garbage import garbage_waits
from cdp.local_settings import commit_soon
from cdp.models import Run
from cdp.rules.topics import shared_floor
from cdp.runs import advance
from profiles.identity.kinds import load_kinds
from profiles.imports.ahead import ReadAhead
from profiles.imports.check import parse_mapping
from profiles.imports.mapping import FileMapping
from profiles.imports.messages import Messages, RowMessages
from profiles.imports.notes import Notes, open_notes
from profiles.imports.plan import Planner
from profiles.imports.plan_targets import plan_targets
from profiles.imports.readers import Reading, columns_of, count_rows, open_rows, reading_as_stored
from profiles.imports.refused import RefusedRows
from profiles.imports.statistics import take_first_statistics
from profiles.imports.take import BrokenRowsError, Taken, Taking
from profiles.imports.targets import all_targets
from profiles.imports.understand import Understanding
from profiles.imports.unplanned import refuse_unplanned
from profiles.imports.values import value_key
from profiles.ingest.counters import write_tally
from profiles.ingest.quality import write_quality
from profiles.ingest.refold import share_definitions
from profiles.models import IdentifierKind, Import

BATCH_ROWS = 4_000
N_NAMED = 20  # refused rows that a run names

Kinds = Mapping[str, IdentifierKind]
Note = Callable[[Sequence[RowMessages], Taken], None]  # what became of a batch, told in its transaction


class KindsChangedError(Exception):
    """Somebody edited the kinds of identifiers: what was read ahead was read by the old ones."""


@dataclass
class Job:
    """One import under way. `counts` are those of the rows done; `places` name the first refused rows.

    `said_at` is when rows without a time say what they say, `until` the number of rows to take, None for all.
    `is_again`: they were taken in before, and what of them stands is not written again, nor counted for the source.
    """

    import_: Import
    run: Run
    mapping: FileMapping
    reading: Reading
    path: Path
    kinds: Kinds
    value_key: str
    twins: list[int]
    leaving: list[int]
    now: datetime
    said_at: datetime
    until: int | None = None
    is_again: bool = False
    writes_targets: bool = True
    counts: Counter[str] = field(default_factory=Counter)
    places: list[str] = field(default_factory=list)


def import_rows(import_: Import, run: Run, *, now: datetime) -> None:
    """Take in the rows behind `n_done`, to the end of the file. Killed anywhere, it goes on there when run again.

    Raises:
        ImportFileError: the mapping or the file as a whole is wrong.
        RunCancelled: after a batch; what was taken in stays.
    """
    job = start(import_, run, now=import_.started_at or now)
    if import_.started_at is None:
        import_.started_at = now
    import_.save(update_fields=["started_at", "n_rows"])
    job.counts.update({name: n for name, n in import_.counts.items() if isinstance(n, int)})
    job.places = list(import_.counts.get("refused_rows", []))
    refused = RefusedRows(import_, job.reading, job.path)
    n_done = import_.n_done

    def note(batch: Sequence[RowMessages], taken: Taken) -> None:
        tell(job, taken.counts, taken.refused)
        refused.append([row.understood for row in taken.refused])
        import_.n_done += len(batch)
        import_.counts = {**job.counts, "refused_rows": job.places}
        import_.save(update_fields=["n_done", "counts", "refused_file", "refused_size"])

    def after(batch: Sequence[RowMessages]) -> None:
        if import_.n_done == n_done + len(batch):  # the first
            take_first_statistics()
        report(job, import_.n_done)

    take_all(job, place=lambda: import_.n_done, note=note, after=after)
    Import.objects.filter(pk=import_.pk).update(ended_at=Now())


def take_all(job: Job, *, place: Callable[[], int], note: Note, after: Callable[[Sequence[RowMessages]], None]) -> None:
    """Take in the rows behind `place()`; `note` moves it on, `after` is called once that is committed."""
    while True:
        try:
            with closing(batches(job, skip=place())) as found, meanwhile(found.read_some):
                for batch in found:
                    take_in(job, batch, note)
                    after(batch)
            return
        except KindsChangedError:
            job.kinds = load_kinds_outside()


def try_rows(import_: Import, run: Run, *, now: datetime) -> None:
    """A dry run: the counts that an import would have now, into `dry_run_counts`; nothing else is written.

    It looks things up without a lock, so it is exact as far as nothing else writes meanwhile, and no row can be
    refused by the database.
    """
    job = start(import_, run, now=now)
    import_.save(update_fields=["n_rows"])
    with open_notes() as notes, closing(batches(job, skip=0)) as found:
        planner = planner_of(job, notes=notes)
        n_done = 0
        for batch in found:
            refuse_unplanned(batch, job.mapping, import_.source)
            plan = planner.plan(batch)
            others = plan_targets(plan, job.mapping, notes, kinds=job.kinds, now=now)
            plan.refused.sort(key=lambda row: row.understood.row.number)
            tell(job, plan.counts + others, plan.refused)
            n_done += len(batch)
            report(job, n_done)
    import_.dry_run_counts = {**job.counts, "refused_rows": job.places}
    import_.save(update_fields=["dry_run_counts"])


def start(import_: Import, run: Run, *, now: datetime) -> Job:
    """Check the mapping against the file, and count its rows. Raises ImportFileError."""
    path = Path(import_.file.path)
    reading = reading_as_stored(import_)
    kinds = load_kinds_outside()
    mapping = parse_mapping(import_.mapping, kinds=kinds, columns=columns_of(path, reading), is_open=reading.is_open)
    key = value_key(mapping)
    if import_.n_rows is None:
        import_.n_rows = count_rows(path, reading)
    leaving = list(Import.objects.leaving().filter(source=import_.source_id).values_list("pk", flat=True))
    return Job(import_, run, mapping, reading, path, kinds, key, twins_of(import_), leaving, now, said_at=now)


def twins_of(import_: Import) -> list[int]:
    """Imports of the same bytes by the same mapping."""
    same = Import.objects.standing().filter(
        source=import_.source_id, sha256=import_.sha256, mapping=import_.mapping, pk__lt=import_.pk
    )
    return list(same.values_list("pk", flat=True))


def load_kinds_outside() -> Kinds:
    """The kinds as they are now; each batch looks again."""
    with transaction.atomic():
        return load_kinds()


def batches(job: Job, *, skip: int) -> ReadAhead[RowMessages]:
    """The rows behind the first `skip`, understood, in batches."""
    return ReadAhead(understood_rows(job, skip), BATCH_ROWS)


def understood_rows(job: Job, skip: int) -> Generator[RowMessages, None, None]:
    """Rows that are skipped are counted anew, where how often a row has come is part of its id."""
    understanding = Understanding(
        job.mapping, source=job.import_.source, kinds=job.kinds, value_key=job.value_key, now=job.said_at
    )
    with open_notes() as notes:
        messages = Messages(
            import_id=job.import_.pk,
            source_id=job.import_.source_id,
            creates_people=job.mapping.creates_people,
            now=job.said_at,
            occurrences=notes.count,
        )
        rows = islice(open_rows(job.path, job.reading), job.until)
        is_counted = job.mapping.has_event and not job.mapping.message_id
        for row in islice(rows, skip):
            if is_counted:
                messages.of(understanding.read(row))
        for row in rows:
            yield messages.of(understanding.read(row))


def planner_of(job: Job, *, notes: Notes | None = None) -> Planner:
    needs_person = job.mapping.has_person or job.mapping.has_event
    needs_person |= any(all_targets()[key].needs_person for key in job.mapping.targets)
    return Planner(
        source=job.import_.source,
        kinds=job.kinds,
        creates_people=job.mapping.creates_people,
        needs_person=needs_person,
        twins=job.twins,
        leaving=job.leaving,
        is_again=job.is_again,
        notes=notes,
    )


@garbage_waits()
def take_in(job: Job, batch: Sequence[RowMessages], note: Note) -> None:
    """One batch and the place behind it, in one transaction.

    A row that breaks it is found by halving and refused: each half is a batch of its own (`process_batch` says why).
    """
    try:
        take_at_once(job, batch, note)
    except BrokenRowsError:
        middle = len(batch) // 2
        take_in(job, batch[:middle], note)
        take_in(job, batch[middle:], note)


def take_at_once(job: Job, batch: Sequence[RowMessages], note: Note) -> None:
    """Raises BrokenRowsError, where there is more than one row."""
    with shared_floor(), transaction.atomic():
        share_definitions()
        kinds = load_kinds()
        if fingerprint(kinds) != fingerprint(job.kinds):
            raise KindsChangedError
        job.kinds = kinds  # what decides on who is whom alone, such as a limit, holds at once
        taking = Taking(
            job.import_,
            job.mapping,
            planner_of(job),
            value_key=job.value_key,
            writes_targets=job.writes_targets,
            now=job.now,
        )
        taken = taking.take_or_refuse(batch)
        if job.is_again:
            taken.tally.pop((job.import_.source_id, "n_rejected"), None)
        write_tally(taken.tally, now=job.now)
        write_quality(taken.quality, now=job.now)
        taken.refused.sort(key=lambda row: row.understood.row.number)
        note(batch, taken)
        if not (taking.writes_targets or taken.counts["merges"]):
            commit_soon()  # docs/adr/0022


def fingerprint(kinds: Kinds) -> dict[str, list[object]]:
    """What of the kinds decides how a row is understood."""
    return {key: [kind.pk, kind.normaliser, kind.priority, kind.blocked_values] for key, kind in kinds.items()}


def tell(job: Job, counts: Counter[str], refused: Sequence[RowMessages]) -> None:
    """Count a batch, and name the first refused rows: by line and column, without a cell."""
    job.counts.update(counts)
    for row in refused[: N_NAMED - len(job.places)]:
        columns = [problem.column for problem in row.understood.problems if problem.is_refusal and problem.column]
        line = row.understood.row.line or row.understood.row.number
        job.places.append(f"{line}: {', '.join(dict.fromkeys(columns))}".rstrip(": "))


def report(job: Job, n_done: int) -> None:
    """Raises RunCancelled where somebody asked for it."""
    run, refused = job.run, job.import_.refused_file.name or ""
    if run.result_file != refused:
        run.result_file = refused
        run.save(update_fields=["result_file"])
    advance(run, n_done, job.import_.n_rows, **job.counts, refused_rows=job.places)
