"""`manage.py import_file FILE --source KEY --mapping FILE | --saved-mapping KEY [--dry-run]`."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import orjson
from django.core.files import File
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from cdp.file_errors import in_words
from cdp.garbage import collect_rarely
from cdp.models import Run
from cdp.runs import execute_run
from profiles import tasks  # noqa: F401 - registers the work of runs
from profiles.imports.errors import ImportFileError
from profiles.imports.fit import in_one
from profiles.models import Import, ImportMapping, Source
from profiles.services.imports import ImportStateError, check_mapping, create_import, queue_import, refused_name

PAUSE_SECONDS = 0.5


class Command(BaseCommand):
    """Imports here, in the foreground; a copy of the file is kept with the others."""

    help = "Take in a file: CSV, NDJSON or Parquet, also packed by gzip."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--source", help="key of the source that the rows come from")
        mapping = parser.add_mutually_exclusive_group(required=True)
        mapping.add_argument("--mapping", type=Path, help="JSON file: which column says what (docs/imports.md)")
        mapping.add_argument("--saved-mapping", help="key of a saved mapping; its source counts where none is given")
        parser.add_argument("--dry-run", action="store_true", help="count what it would do, and write nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        collect_rarely()  # as a worker does
        saved = self.saved_mapping(options["saved_mapping"])
        source = self.source(options["source"]) if options["source"] or saved is None else saved.source
        mapping = self.read_mapping(options["mapping"]) if options["mapping"] else None
        import_ = self.store(options["file"], source=source, mapping=mapping, saved=saved)
        run = self.carry_out(import_, dry_run=options["dry_run"])
        self.say(options["file"], import_, run)

    def store(self, path: Path, *, source: Source, mapping: Any, saved: ImportMapping | None) -> Import:
        try:
            with path.open("rb") as file:
                return create_import(
                    File(file), name=path.name, source=source, mapping=mapping, saved_mapping=saved, now=timezone.now()
                )
        except OSError as error:
            raise CommandError(f"{path}: {in_words(error)}") from error
        except ImportFileError as error:
            raise CommandError(str(error)) from error

    def carry_out(self, import_: Import, *, dry_run: bool) -> Run:
        try:
            run = queue_import(import_, user=None, dry_run=dry_run)
        except (ImportFileError, ImportStateError) as error:
            import_.file.delete(save=False)
            import_.delete()
            raise CommandError(str(error)) from error
        execute_run(run.pk, now=timezone.now())
        while Run.objects.unfinished().filter(pk=run.pk).exists():
            time.sleep(PAUSE_SECONDS)
            execute_run(run.pk, now=timezone.now())  # cut off, it goes on; where a worker has it, that is waited for
        run.refresh_from_db()
        import_.refresh_from_db()
        if run.state != Run.State.SUCCEEDED:
            raise CommandError(run.error or run.get_state_display())
        return run

    def say(self, path: Path, import_: Import, run: Run) -> None:
        counts = {name: n for name, n in run.counts.items() if name != "refused_rows"}
        said = [f"{name} {n}" for name, n in counts.items() if n or name in ("new", "changed", "refused")]
        self.stdout.write(f"{path}: {', '.join([f'rows {run.done}', *said])}")
        named = run.counts.get("refused_rows", [])
        for place in named:
            self.stdout.write(f"  refused: line {place}")
        if (n_more := counts.get("refused", 0) - len(named)) > 0:
            self.stdout.write(f"  refused: {n_more} more")
        if import_.refused_file:
            self.stdout.write(f"  {refused_name(import_)}: {import_.refused_file.path}")

    def source(self, key: str | None) -> Source:
        found = Source.objects.filter(key=key, is_enabled=True).first()
        if found is None:
            known = ", ".join(Source.objects.filter(is_enabled=True).values_list("key", flat=True))
            raise CommandError(f"No enabled source {key!r}; there are: {known or 'none yet'}")
        return found

    def saved_mapping(self, key: str | None) -> ImportMapping | None:
        if key is None:
            return None
        found = ImportMapping.objects.select_related("source").filter(key=key).first()
        if found is None:
            known = ", ".join(ImportMapping.objects.values_list("key", flat=True))
            raise CommandError(f"No saved mapping {key!r}; there are: {known or 'none yet'}")
        return found

    def read_mapping(self, path: Path) -> Any:
        """The mapping in a file, of which nothing is wrong as far as it can be told without the rows."""
        try:
            mapping = orjson.loads(path.read_text(encoding="utf-8-sig"))
        except OSError as error:
            raise CommandError(f"{path}: {in_words(error)}") from error
        except ValueError as error:
            raise CommandError(f"{path}: not JSON: {error}") from error
        if problems := check_mapping(mapping):
            raise CommandError(in_one(problems, ()))
        return mapping
