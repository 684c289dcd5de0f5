"""The state of an import: one word for what its row says."""

from __future__ import annotations

import pytest

from cdp.models import Run
from profiles.models import Import
from tests.factories.imports import ImportFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("run_state", "fields", "state"),
    [
        (None, {}, "draft"),
        (Run.State.SUCCEEDED, {"dry_run_counts": {}}, "draft"),
        (Run.State.QUEUED, {}, "running"),
        (Run.State.RUNNING, {"n_done": 5}, "running"),
        (Run.State.FAILED, {}, "failed"),
        (Run.State.FAILED, {"n_done": 5}, "stopped"),
        (Run.State.CANCELLED, {"n_done": 5}, "stopped"),
        (Run.State.SUCCEEDED, {"n_done": 5, "is_ended": True}, "complete"),
        (Run.State.RUNNING, {"n_done": 5, "is_ended": True}, "running"),
        (Run.State.SUCCEEDED, {"n_done": 5, "is_ended": True, "is_taken_back": True}, "taken_back"),
    ],
)
def test_an_import_has_one_state(run_state, fields, state, now):
    ended, taken_back = fields.pop("is_ended", False), fields.pop("is_taken_back", False)
    run = Run.objects.create(kind="import", subject="import:1", state=run_state) if run_state else None
    ImportFactory(run=run, ended_at=now if ended else None, taken_back_at=now if taken_back else None, **fields)

    assert Import.objects.with_state().get().state == state
    assert Import.objects.with_state().filter(state=state).count() == 1
