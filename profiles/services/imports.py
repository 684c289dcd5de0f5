"""Imports, from a file to its taking back; docs/imports.md has the format of mappings and the meaning of the counts.

    facts = inspect_file(path)                                  # what it is, and its first rows
    mapping = guess_mapping(facts, source=source)               # JSON, to be shown and corrected
    problems = check_mapping(mapping, facts=facts)              # each with its place in the mapping
    rows = preview_rows(path, mapping, facts=facts, source=source, n=20, now=now)
    import_ = create_import(file, name="members.csv", source=source, mapping=mapping, user=user, now=now)
    run = queue_import(import_, user=user, dry_run=True)        # counts in `import_.dry_run_counts` when it has ended
    run = queue_import(import_, user=user)                      # `import_.counts`, `n_done`, `n_rows`, `refused_file`
    cancel_run(import_.run_id, now=now)                         # of cdp.runs; queue_import goes on from there
    expected = preview_take_back(import_)                       # counts of what would go
    run = take_back(import_, user=user)
    run = import_again(import_, user=user)                      # of import_again.py: the later files that lost by that

Who shows mappings, previews and refused rows must look at `view_pii`: they hold cells of the file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, cast

from django.conf import settings
from django.core.files import File
from django.db import transaction
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from cdp.models import Run, User
from cdp.runs import queue_run
from profiles.imports.check import check, parse_mapping, reading_of
from profiles.imports.errors import MappingProblem, SourceDisabledError
from profiles.imports.facts import FileFacts, facts_of
from profiles.imports.guess import Attributes, guess
from profiles.imports.messages import Messages
from profiles.imports.preview import PreviewRow
from profiles.imports.readers import columns_of, open_rows, reading_as_stored
from profiles.imports.refused import refused_name
from profiles.imports.room import check_room
from profiles.imports.show import show
from profiles.imports.understand import Understanding
from profiles.imports.unplanned import refuse_unplanned
from profiles.imports.values import value_key
from profiles.models import AttributeDefinition, IdentifierKind, Import, ImportMapping, Source
from profiles.models.imports import TAKE_BACK
from profiles.services.written import Written, written_in_time

__all__ = [
    "DRY_RUN", "IMPORT", "TAKE_BACK", "ImportStateError", "check_enabled", "check_mapping", "create_import",
    "equal_imports", "guess_mapping", "inspect_file", "preview_rows", "preview_take_back", "queue_import",
    "read_otherwise", "reading_id", "refused_name", "refused_rows", "take_back",
]  # fmt: skip

IMPORT, DRY_RUN = "import", "dry_run"  # kinds of runs, beside TAKE_BACK; the subject is `import:<id>`


class ImportStateError(ValueError):
    """The import is not in the state for what was asked; the text says why, for whoever asked."""


def inspect_file(
    path: Path, *, name: str = "", format: str = "", encoding: str = "", delimiter: str = "", has_header: bool = True
) -> FileFacts:
    """Look at a file: about a second at most. What is given is not guessed; `name` is its name, if `path` is not.

    Raises:
        ImportFileError: it cannot be read as what it is said to be, or the extra for Parquet is not installed.
    """
    return facts_of(path, name=name, format=format, encoding=encoding, delimiter=delimiter, has_header=has_header)


def guess_mapping(facts: FileFacts, *, source: Source) -> dict[str, Any]:
    """A mapping (JSON) by the names of the columns, Chinese and English, and of the attributes that there are, and by
    the cells of the sample.

    It may have problems (`check_mapping`), as where no column seems to say who it is.
    """
    rows = AttributeDefinition.objects.values_list("key", "label", "type")
    return guess(facts, region=source.default_region, attributes=Attributes(rows.order_by("key")))


def check_mapping(mapping: Any, *, facts: FileFacts | None = None) -> list[MappingProblem]:
    """Everything that is wrong with a mapping, each with its place; `facts` are of the file that it is for, if any."""
    if facts is None:
        return check(mapping, kinds=load_kinds())[1]
    return check(mapping, kinds=load_kinds(), columns=facts.columns, is_open=facts.reading.is_open)[1]


def preview_rows(
    path: Path, mapping: Any, *, facts: FileFacts, source: Source, n: int = 20, now: datetime
) -> list[PreviewRow]:
    """The first `n` rows as they would be understood; nothing is written.

    Raises ImportFileError, of the first problem of the mapping or the file.
    """
    kinds = load_kinds()
    parsed = parse_mapping(mapping, kinds=kinds, columns=facts.columns, is_open=facts.reading.is_open)
    key = value_key(parsed)
    understanding = Understanding(parsed, source=source, kinds=kinds, value_key=key, now=now)
    rows = [understanding.read(row) for row in islice(open_rows(path, facts.reading, is_look=True), n)]
    messages = Messages(
        import_id=0, source_id=source.pk, creates_people=parsed.creates_people, now=now, occurrences=lambda _digest: 1
    )
    refuse_unplanned([messages.of(row) for row in rows], parsed, source)
    return [show(row, parsed, kinds=kinds, value_key=key) for row in rows]


def check_enabled(source: Source) -> None:
    """Raises SourceDisabledError where the source is: what it says is not taken, by whichever door it comes."""
    if not Source.objects.filter(pk=source.pk, is_enabled=True).exists():
        raise SourceDisabledError(
            _("The source “%(name)s” is disabled: its files are not imported.") % {"name": source.name}
        )


def load_kinds() -> dict[str, IdentifierKind]:
    return {kind.key: kind for kind in IdentifierKind.objects.all()}


def create_import(
    file: File[bytes],
    *,
    name: str,
    source: Source,
    mapping: Mapping[str, Any] | None = None,
    saved_mapping: ImportMapping | None = None,
    user: User | None = None,
    now: datetime,
    save: bool = True,
) -> Import:
    """Store a file and look at it; nothing is taken yet. Without a mapping, that of `saved_mapping`, else a guess.

    Format, encoding and delimiter are those of the mapping where it names them, else guessed. The mapping may still be
    wrong: `import_.mapping` can be edited, and `save()`d, until the import is queued.

    Where it is not to `save`, its row is not written yet: copying a large file is no matter for a transaction. A file
    that never gets a row is deleted after a day (`stray_files.py`).

    Raises ImportFileError where the source is disabled or the file cannot be read at all; it is not kept then.
    """
    check_enabled(source)
    given = mapping if mapping is not None else saved_mapping.mapping if saved_mapping else None
    name = Path(name).name[:255]
    import_ = Import(name=name, source=source, saved_mapping=saved_mapping, user=user, created_at=now)
    storage = import_.file.storage
    stored_name = storage.get_available_name(import_.file.field.generate_filename(import_, name[-100:]))
    try:
        import_.file.name = storage.save(stored_name, file)
        path = Path(import_.file.path)
        facts = facts_of(path, name=name, **reading_of(given))
        import_.size, import_.sha256 = path.stat().st_size, sha256_of(path)
        import_.mapping = dict(given) if given is not None else guess_mapping(facts, source=source)
        import_.format, import_.encoding, import_.delimiter, _has_header = facts.reading
        if save:
            import_.save()
    except BaseException:
        storage.delete(import_.file.name or stored_name)  # also what came in before the disk was full
        raise
    return import_


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def equal_imports(import_: Import) -> list[Import]:
    """Imports of the same bytes that still stand, the latest first: who uploads a file again should hear of them."""
    same = Import.objects.standing().filter(sha256=import_.sha256, source=import_.source_id)
    return list(same.exclude(pk=import_.pk).order_by("-pk"))


def reading_id(import_: Import) -> str:
    """Another one whenever the file would be understood otherwise."""
    how = [import_.mapping, *reading_as_stored(import_)]
    return hashlib.sha256(json.dumps(how, sort_keys=True).encode()).hexdigest()


def read_otherwise(import_: Import, **fields: Any) -> None:
    """Write how the file is understood. Raises ImportStateError where somebody has started it meanwhile."""
    with transaction.atomic():
        if lock_idle(import_).n_done:
            raise ImportStateError(_("Rows of this file were taken in: its columns can no longer be changed."))
        for name, value in fields.items():
            setattr(import_, name, value)
        import_.save(update_fields=list(fields))


def queue_import(import_: Import, *, user: User | None, dry_run: bool = False, seen: str | None = None) -> Run:
    """Queue the import, or a dry run of it, as a Run (kinds `import`, `dry_run`; subject `import:<id>`).

    One that was cut off or cancelled goes on where it was. `Run.done` and `total` are rows. `seen` is the reading
    (`reading_id`) that whoever asks has looked at, None for whatever stands.

    Raises:
        ImportFileError: the mapping is wrong, of which the text names the first place; no room for its attributes; or
            the source is disabled.
        ImportStateError: it runs, is complete, or was taken back; or it is understood otherwise than was seen.
    """
    check_enabled(import_.source)
    with transaction.atomic():
        locked = lock_idle(import_)
        if locked.taken_back_at is not None:
            raise ImportStateError(_("This import was taken back; upload the file again to import it anew."))
        if locked.is_partly_taken_back:
            raise ImportStateError(
                _("Part of this import was taken back. Take back the rest, then upload the file again.")
            )
        if locked.is_complete:
            raise ImportStateError(_("All rows of this import are done."))
        if seen is not None and seen != reading_id(locked):
            raise ImportStateError(
                _("Somebody has changed meanwhile how this file is understood: look at it, and check it again.")
            )
        check_readable(locked)
        return queue(import_, DRY_RUN if dry_run else IMPORT, user=user)


def check_readable(import_: Import) -> None:
    """Raises ImportFileError where the mapping does not fit the file, or has no room for its attributes."""
    reading = reading_as_stored(import_)
    columns = columns_of(Path(import_.file.path), reading)
    mapping = parse_mapping(import_.mapping, kinds=load_kinds(), columns=columns, is_open=reading.is_open)
    value_key(mapping)
    check_room(mapping)


def lock_idle(import_: Import) -> Import:
    """Lock the row of an import that nothing works on. Raises ImportStateError."""
    locked = Import.objects.select_for_update(of=("self",)).select_related("run").get(pk=import_.pk)
    if locked.is_running:
        raise ImportStateError(_("This import is being worked on."))
    return locked


def queue(import_: Import, kind: str, *, user: User | None) -> Run:
    run = queue_run(kind, f"import:{import_.pk}", user, run_params(import_), cancellable=True)
    import_.run = run
    import_.save(update_fields=["run"])
    return run


def run_params(import_: Import) -> dict[str, Any]:
    """What a run of the import is given; reasons of refusals are read by whoever asked, so in that language."""
    return {"import": import_.pk, "language": get_language() or settings.LANGUAGE_CODE}


def preview_take_back(import_: Import) -> Written:
    """What a taking back would remove now, by name of the count, as far as that can be counted while somebody waits.

    `merges` that rows of the import asked for are not removed: they can be undone one by one. Nor are those `kept`: of
    whom a hand has written something.
    """
    return written_in_time(import_)


def take_back(import_: Import, *, user: User | None) -> Run:
    """Queue the taking back of what the import wrote and nothing has touched since (kind `take_back`).

    The file stays stored; uploaded again, it is imported anew. Raises ImportStateError.
    """
    with transaction.atomic():
        locked = lock_idle(import_)
        if locked.taken_back_at is not None:
            raise ImportStateError(_("This import was taken back already."))
        if not locked.has_taken_in:
            raise ImportStateError(_("Nothing of this import was taken in."))
        return queue(import_, TAKE_BACK, user=user)


def refused_rows(import_: Import) -> Iterator[bytes]:
    """The file of the refused rows, in pieces, for a download as `refused_name`; nothing where no row was refused.

    Before the columns of the original it has `strata_row` and `strata_reason`, which are passed over when the
    corrected file is uploaded again.
    """
    if import_.refused_file:
        with import_.refused_file.open("rb") as file:
            yield from cast(Iterator[bytes], file.chunks())
