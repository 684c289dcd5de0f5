"""Imports, from a file to its taking back; docs/imports.md has the format of mappings and the meaning of the counts.

    facts = inspect_file(path)                                  # what it is, and its first rows
    mapping = guess_mapping(facts, source=source)               # JSON, to be shown and corrected
    problems = check_mapping(mapping, columns=facts.columns)    # each with its place in the mapping
    rows = preview_rows(path, mapping, facts=facts, source=source, n=20, now=now)
    import_ = create_import(file, name="members.csv", source=source, mapping=mapping, user=user, now=now)
    run = queue_import(import_, user=user, dry_run=True)        # counts in `import_.dry_run_counts` when it has ended
    run = queue_import(import_, user=user)                      # `import_.counts`, `n_done`, `n_rows`, `refused_file`
    cancel_run(import_.run_id, now=now)                         # of cdp.runs; queue_import goes on from there
    expected = preview_take_back(import_)                       # counts of what would go
    run = take_back(import_, user=user)

Who shows mappings, previews and refused rows must look at `view_pii`: they hold cells of the file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.files import File

from cdp.models import Run, User
from profiles.imports.errors import MappingProblem
from profiles.imports.facts import FileFacts
from profiles.imports.preview import PreviewRow
from profiles.models import Import, ImportMapping, Source


class ImportStateError(ValueError):
    """The import is not in the state for what was asked; the text says why, for whoever asked."""


def inspect_file(path: Path, *, name: str = "", format: str = "", encoding: str = "", delimiter: str = "") -> FileFacts:
    """Look at a file: under a second for 100 MB. What is given is not guessed; `name` is its name, if `path` is not.

    Raises:
        ImportFileError: it cannot be read as what it is said to be, or the extra for Parquet is not installed.
    """
    raise NotImplementedError


def guess_mapping(facts: FileFacts, *, source: Source) -> dict[str, Any]:
    """A mapping (JSON) by the names of the columns, Chinese and English, and by the cells of the sample.

    It may have problems (`check_mapping`), as where no column seems to say who it is.
    """
    raise NotImplementedError


def check_mapping(mapping: Any, *, columns: Collection[str] | None = None) -> list[MappingProblem]:
    """Everything that is wrong with a mapping, each with its place; `columns` are those of the file, if known."""
    raise NotImplementedError


def preview_rows(
    path: Path, mapping: Any, *, facts: FileFacts, source: Source, n: int = 20, now: datetime
) -> list[PreviewRow]:
    """The first `n` rows as they would be understood; nothing is written.

    Raises ImportFileError, of the first problem of the mapping or the file.
    """
    raise NotImplementedError


def create_import(
    file: File[bytes],
    *,
    name: str,
    source: Source,
    mapping: Mapping[str, Any] | None = None,
    saved_mapping: ImportMapping | None = None,
    user: User | None = None,
    now: datetime,
) -> Import:
    """Store a file and look at it; nothing is taken yet. Without a mapping, that of `saved_mapping`, else a guess.

    Format, encoding and delimiter are those of the mapping where it names them, else guessed. The mapping may still be
    wrong: `import_.mapping` can be edited, and `save()`d, until the import is queued.

    Raises ImportFileError where the file cannot be read at all; it is not kept then.
    """
    raise NotImplementedError


def equal_imports(import_: Import) -> list[Import]:
    """Imports of the same bytes that still stand, the latest first: who uploads a file again should hear of them."""
    raise NotImplementedError


def queue_import(import_: Import, *, user: User | None, dry_run: bool = False) -> Run:
    """Queue the import, or a dry run of it, as a Run (kinds `import`, `dry_run`; subject `import:<id>`).

    One that was cut off or cancelled goes on where it was. `Run.done` and `total` are rows.

    Raises:
        ImportFileError: the mapping is wrong; the text names the first place.
        ImportStateError: it runs, is complete, or was taken back.
    """
    raise NotImplementedError


def preview_take_back(import_: Import) -> dict[str, int]:
    """What a taking back would remove now, by name of the count; a few seconds for a million rows."""
    raise NotImplementedError


def take_back(import_: Import, *, user: User | None) -> Run:
    """Queue the taking back of what the import wrote and nothing has touched since (kind `take_back`).

    The file stays stored and can be imported again, as a new import. Raises ImportStateError.
    """
    raise NotImplementedError


def refused_rows(import_: Import) -> Iterator[bytes]:
    """The file of the refused rows, in pieces, for a download as `refused_name`: it has the columns of the original.

    Two more columns, `strata_row` and `strata_reason`, are passed over when the corrected file is uploaded again.
    """
    raise NotImplementedError


def refused_name(import_: Import) -> str:
    """`members.refused.csv` of `members.csv`."""
    raise NotImplementedError
