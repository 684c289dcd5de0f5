"""`manage.py up`: the whole stack until Ctrl-C. `manage.py` starts the embedded servers around it."""

import shlex
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand

from cdp.servers.stack import running_stack


def manage(command: str) -> str:
    """How to run a command on the data folder of this stack."""
    folder = (
        "" if settings.DATA_DIR == settings.BASE_DIR / ".data" else f"DATA_DIR={shlex.quote(str(settings.DATA_DIR))} "
    )
    return f"{folder}.venv/bin/python manage.py {command}"


class Command(BaseCommand):
    help = (
        "Run web, worker and beat, and the embedded servers where DATABASE_URL and BROKER_URL name none, until Ctrl-C."
    )
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        with running_stack() as stack:
            self.stdout.write(f"Strata serves on {stack.url} until Ctrl-C. Its logs: {stack.log_dir}/")
            if not get_user_model().objects.filter(is_superuser=True).exists():
                self.stdout.write(f"Nobody can sign in yet. In another terminal: {manage('createsuperuser')}")
            self.stdout.flush()
            stack.serve()
            self.stdout.write("Stopping.")
