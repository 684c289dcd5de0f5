"""Runs in the admin."""

import pytest

from cdp.models import Run
from cdp.roles import VIEWER
from cdp.subjects import subjects_of
from tests.factories.campaigns import CampaignFactory
from tests.factories.segments import SegmentFactory, TierSchemeFactory
from tests.factories.tags import TagFactory
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


def test_what_a_run_worked_on_stands_there_by_name_with_its_page():
    segment = SegmentFactory(key="loyal", name="Loyal people")
    run = Run.objects.create(kind="refresh", subject="segment:loyal")
    client = sign_in(VIEWER)

    for address in ("/admin/", "/admin/cdp/run/", f"/admin/cdp/run/{run.pk}/change/"):
        page = client.get(address).content.decode()
        assert f'<a class="st-link" href="/admin/segments/segment/{segment.pk}/change/">Loyal people</a>' in page
    assert "Refresh in full · Loyal people" in page


def test_things_of_every_kind_are_named_and_those_gone_keep_their_key():
    campaign, tag, scheme = CampaignFactory(), TagFactory(), TierSchemeFactory()
    runs = [
        Run.objects.create(kind=kind, subject=subject)
        for kind, subject in [
            ("plan_campaign", campaign.key),
            ("refresh", f"tag:{tag.key}"),
            ("refresh", f"tier:{scheme.key}"),
            ("score", "rfm"),
            ("refresh", "tag:gone"),
        ]
    ]

    subjects = subjects_of(runs)

    assert [str(subjects[run.pk].name) for run in runs] == [campaign.name, tag.name, scheme.name, "RFM", "tag:gone"]


def test_many_runs_are_named_in_as_many_queries_as_one(django_assert_num_queries):
    runs = [Run.objects.create(kind="refresh", subject=f"tag:{TagFactory().key}") for _n in range(3)]

    with django_assert_num_queries(1):
        subjects_of(runs)


@pytest.mark.parametrize("state", Run.State.values)
def test_the_last_bar_tells_the_page_that_the_run_has_ended(state):
    run = Run.objects.create(kind="refresh", subject="segment:a", state=state)

    assert ("HX-Trigger" in bar_of(run).headers) == (state not in ("queued", "running"))
