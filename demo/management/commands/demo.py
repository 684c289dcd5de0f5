"""`manage.py demo [--once]`: the main job on demo data, by a real stack. `manage.py` starts the servers around it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import InterfaceError, OperationalError
from django.utils import timezone
from rich.console import Console
from urllib3.exceptions import HTTPError

from cdp.servers.stack import Stack, running_stack
from demo.account import demo_account
from demo.console import show_access, show_figures, show_sights, tell
from demo.door import Door, RefusedError
from demo.figures import count_figures, count_sights
from demo.patience import StoryError
from demo.purchases import N_CUSTOMERS
from demo.story import Story


class Command(BaseCommand):
    """The data folder keeps what was done: a second run adds nothing, and one after a kill goes on."""

    help = "Run the stack, lead the demo data through it, show what came of it, and serve until Ctrl-C."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="Exit after the table.")
        parser.add_argument(
            "--customers",
            type=int,
            default=N_CUSTOMERS,
            choices=range(1, N_CUSTOMERS + 1),
            metavar=f"1..{N_CUSTOMERS}",
            help="How many customers of the sample; decided by the first run in a data folder.",
        )

    def handle(self, *args: Any, once: bool, customers: int, **options: Any) -> None:
        console = Console()
        with running_stack() as stack:
            story = Story(settings.DATA_DIR / "demo" / "shop", Door(stack.url), customers, timezone.now)
            try:
                self.lead(story, stack, console)
            except (StoryError, RefusedError, HTTPError) as error:
                raise CommandError(f"{error} The logs: {stack.log_dir}/") from error
            except (OperationalError, InterfaceError) as error:
                raise CommandError("The database went away. Start again: what is done stays done.") from error
            if not once:
                console.print("Ctrl-C 结束 stops it.")
                stack.serve()

    def lead(self, story: Story, stack: Stack, console: Console) -> None:
        account = demo_account(story.folder.parent / "login.json")
        seconds = tell(story, console)
        figures = count_figures(story.folder)
        show_figures(figures, seconds, console)
        show_sights(stack.url, count_sights(), console)
        show_access(stack.url, account, console)
