"""What a source does not let through since nobody planned it, as rows of a file meet it: in the words of whoever reads
the reasons, and at the column.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.utils.translation import gettext as _

from profiles.imports.mapping import Column, FileMapping
from profiles.imports.messages import RowMessages
from profiles.imports.preview import CellProblem
from profiles.ingest.quality import MAX_REASONS, Finding, compare
from profiles.models import Handling, Source, Violation
from profiles.problems import in_words


def refuse_unplanned(
    batch: Sequence[RowMessages], mapping: FileMapping, source: Source
) -> dict[str, Sequence[Finding]]:
    """Refuse rows that the source does not let through; returns what was not planned of the first of the others with
    each message, by its key.
    """
    flagged: dict[str, Sequence[Finding]] = {}
    if not source.is_checked:
        return flagged
    said = [(row, message) for row in batch for message in row.messages()]
    unplanned = compare([message for _row, message in said], {source.pk: source})
    for n, (row, message) in enumerate(said) if unplanned else ():
        found = unplanned.get(n, ())
        guilty = [each for each in found if each.handling == Handling.REJECT]
        if not guilty:
            flagged.setdefault(message.key, found)
        for each in guilty[:MAX_REASONS]:
            problem = problem_of(each, mapping)
            if problem not in row.understood.problems:  # as where the batch was tried whole before
                row.understood.problems.append(problem)
    return flagged


def problem_of(finding: Finding, mapping: FileMapping) -> CellProblem:
    root, _dot, key = finding.place.partition(".")
    if finding.rule == Violation.Rule.UNPLANNED_EVENT:
        said = _("“%(name)s” is not a planned event, and this source refuses others: make it planned, or correct it")
        return CellProblem(mapping.event_column, said % {"name": str(finding.value)[:60]})
    column = column_of(mapping.traits if root == "traits" else mapping.properties, key)
    if finding.rule == Violation.Rule.UNPLANNED_ATTRIBUTE:
        said = _(
            "“%(name)s” is not a planned attribute, and this source refuses others: make it planned, or leave the "
            "column out"
        )
        return CellProblem(column, said % {"name": key[:60]})
    words = in_words(finding.problem)
    return CellProblem(column, words if column else f"{finding.path}: {words}")


def column_of(columns: Iterable[Column], key: str) -> str:
    """The column that fills a key, "" where none does."""
    return next((column.name for column in columns if column.key == key), "")
