"""Files, taken in as a worker does."""

import pytest
from django.core.files.base import ContentFile

from cdp.models import Run
from cdp.runs import execute_run
from profiles import tasks  # noqa: F401 - registers the work of runs
from profiles.services.imports import create_import, queue_import
from tests.factories.profiles import SourceFactory
from tests.profiles.imports.files import NOW


@pytest.fixture
def till():
    return SourceFactory(key="till")


@pytest.fixture
def load(till, django_capture_on_commit_callbacks):
    """Import a text (or bytes) as a file; returns the Import with its run ended. What went wrong is in `run.error`."""

    def load(content, mapping, *, name="file.csv", source=None, dry_run=False, now=NOW, user=None):
        content = content if isinstance(content, bytes) else content.encode()
        import_ = create_import(
            ContentFile(content), name=name, source=source or till, mapping=mapping, now=now, user=user
        )
        run = queue_import(import_, user=user, dry_run=dry_run)
        execute_run(run.pk, now=now)
        import_.refresh_from_db()
        import_.run = Run.objects.get(pk=run.pk)
        return import_

    return load
