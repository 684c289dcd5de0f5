"""Runs in the admin."""

import pytest

from cdp.models import Run
from cdp.roles import VIEWER
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db


def bar_of(run, role=VIEWER):
    return sign_in(role).get(f"/admin/cdp/run/{run.pk}/progress/")


@pytest.mark.parametrize("state", [Run.State.QUEUED, Run.State.RUNNING])
def test_the_bar_asks_again_while_the_run_goes_on(state):
    run = Run.objects.create(kind="refresh", subject="segment:a", state=state, done=3, total=10)

    assert f'hx-get="/admin/cdp/run/{run.pk}/progress/"' in bar_of(run).content.decode()


def test_the_bar_of_a_run_that_ended_stands_still():
    run = Run.objects.create(kind="refresh", subject="segment:a", state=Run.State.SUCCEEDED)

    assert "hx-get" not in bar_of(run).content.decode()


def test_the_bar_needs_a_role():
    run = Run.objects.create(kind="refresh", subject="segment:a")

    assert bar_of(run, role=None).status_code == 403
