"""`manage.py create_token --role ROLE [--name NAME]`: print an API token, once."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from cdp.roles import ROLE_NAMES
from cdp.tokens import issue_token


def role_named(written: str) -> str:
    """`Campaign manager` is `campaign_manager`."""
    return "_".join(written.replace("_", " ").split()).lower()


class Command(BaseCommand):
    """The token alone goes to standard output, so that a script can take it."""

    help = "Make an API token with the rights of a role and print it. It is shown this once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--role", required=True, type=role_named, choices=list(ROLE_NAMES), help="What the token may do."
        )
        parser.add_argument("--name", help="What to call it; default: the role and the time.")

    def handle(self, *args: Any, role: str, name: str | None, **options: Any) -> None:
        name = name or f"{role}-{timezone.now():%Y%m%d-%H%M%S-%f}"
        try:
            _token, text = issue_token(name, role=role)
        except ValueError as error:
            raise CommandError(str(error)) from error
        self.stderr.write(f"Token {name!r} with the role {role!r}. Keep it safe: it is not shown again.")
        self.stdout.write(text)
