"""`manage.py import_csv FILE --source KEY --mapping FILE`."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from cdp.models import Run
from cdp.runs import execute_run
from profiles.models import Source
from profiles.tasks import IMPORT


class Command(BaseCommand):
    """Imports here, in the foreground; workers process what it puts into the inbox."""

    help = "Put the rows of a CSV file into the inbox."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--source", required=True, help="key of the source that the rows come from")
        parser.add_argument("--mapping", required=True, type=Path, help="JSON file: which column says what")

    def handle(self, *args: Any, file: Path, source: str, mapping: Path, **options: Any) -> None:
        params = {
            "file": str(file.resolve()),
            "source": self.checked_source(source),
            "mapping": self.read_mapping(mapping),
        }
        run = Run.objects.create(kind=IMPORT, subject=source, params=params)
        execute_run(run.pk, now=timezone.now())
        while Run.objects.unfinished().filter(pk=run.pk).exists():
            time.sleep(0.5)  # a worker was quicker to take it up
        run.refresh_from_db()
        if run.state != Run.State.SUCCEEDED:
            raise CommandError(run.error)
        counts = {"rows": 0, "messages": 0, "known": 0, "skipped": 0, "skipped_rows": []} | run.counts
        named = counts.pop("skipped_rows")
        self.stdout.write(f"{file}: " + ", ".join(f"{name} {n}" for name, n in counts.items()))
        for place in named:
            self.stdout.write(f"  skipped: {place}")
        if counts["skipped"] > len(named):
            self.stdout.write(f"  skipped: {counts['skipped'] - len(named)} more")

    def checked_source(self, key: str) -> str:
        if not Source.objects.filter(key=key, is_enabled=True).exists():
            known = ", ".join(Source.objects.filter(is_enabled=True).values_list("key", flat=True))
            raise CommandError(f"No enabled source {key!r}; there are: {known or 'none yet'}")
        return key

    def read_mapping(self, path: Path) -> Any:
        try:
            return json.loads(path.read_text(encoding="utf-8-sig"))
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}") from error
        except ValueError as error:
            raise CommandError(f"{path}: not JSON: {error}") from error
