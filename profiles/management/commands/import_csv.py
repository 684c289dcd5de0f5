"""`manage.py import_csv FILE --source KEY --mapping FILE`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from profiles.management.commands import import_file


class Command(import_file.Command):
    """`import_file` by the name that scripts know."""

    help = "Take in a CSV file."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--source", required=True, help="key of the source that the rows come from")
        parser.add_argument("--mapping", required=True, type=Path, help="JSON file: which column says what")

    def handle(self, *args: Any, **options: Any) -> None:
        super().handle(*args, saved_mapping=None, dry_run=False, **options)
