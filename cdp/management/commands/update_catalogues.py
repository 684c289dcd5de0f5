"""Bring the catalogues up to date with the code; `make messages` calls this."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from cdp.catalogues import SOURCE_LANGUAGE, our_strings, unfold_strings, update_catalogue


class Command(BaseCommand):
    help = "Extract every string of our code and of Unfold into locale/*/LC_MESSAGES/django.po with Babel."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        strings = [*our_strings(), *unfold_strings()]
        for language, _name in settings.LANGUAGES:
            if language == SOURCE_LANGUAGE:
                continue
            total, missing = update_catalogue(language, strings)
            self.stdout.write(f"{language}: {total} strings, {missing} without words")
