"""Runs in the admin."""

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from cdp.models import Run
from cdp.roles import OPERATOR, VIEWER
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


def test_a_run_that_can_stop_is_stopped_by_its_button():
    run = Run.objects.create(kind="import", subject="till", state=Run.State.RUNNING, is_cancellable=True)
    operator, address = sign_in(OPERATOR), f"/admin/cdp/run/{run.pk}/cancel/"

    before = operator.get(f"/admin/cdp/run/{run.pk}/change/").content.decode()
    assert sign_in(VIEWER).post(address).status_code == 403
    after = operator.post(address, follow=True).content.decode()

    assert f'formaction="{address}"' in before
    assert f'formaction="{address}"' not in after
    assert "It stops at its next step." in after


def test_a_run_that_cannot_stop_says_so():
    run = Run.objects.create(kind="refresh", subject="segment:a", state=Run.State.RUNNING)

    page = sign_in(OPERATOR).post(f"/admin/cdp/run/{run.pk}/cancel/", follow=True).content.decode()

    assert "This work does not stop half-way." in page
    assert sign_in(OPERATOR).get(f"/admin/cdp/run/{run.pk}/cancel/").status_code == 405


def test_the_result_is_downloaded_by_those_who_may_see_personal_data():
    name = default_storage.save("imports/7/refused.csv", ContentFile("姓名\n张三\n"))
    run = Run.objects.create(kind="import", subject="till", state=Run.State.SUCCEEDED, result_file=name)
    operator, viewer, address = sign_in(OPERATOR), sign_in(VIEWER), f"/admin/cdp/run/{run.pk}/result/"

    assert operator.get(address).getvalue().decode() == "姓名\n张三\n"
    assert viewer.get(address).status_code == 403
    assert f'href="{address}"' in operator.get(f"/admin/cdp/run/{run.pk}/change/").content.decode()
    assert address not in viewer.get(f"/admin/cdp/run/{run.pk}/change/").content.decode()
