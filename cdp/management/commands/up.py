"""`manage.py up`: the whole stack until Ctrl-C. `manage.py` starts the embedded servers around it."""

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand

from cdp.servers.stack import running_stack


class Command(BaseCommand):
    help = (
        "Run web, worker and beat, and the embedded servers where DATABASE_URL and BROKER_URL name none, until Ctrl-C."
    )
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        with running_stack() as stack:
            self.stdout.write(f"Strata serves on {stack.url} until Ctrl-C. Its logs: {stack.log_dir}/")
            if not get_user_model().objects.filter(is_superuser=True).exists():
                self.stdout.write(
                    "Nobody can sign in yet. In another terminal: .venv/bin/python manage.py createsuperuser"
                )
            self.stdout.flush()
            stack.serve()
            self.stdout.write("Stopping.")
