from datetime import UTC, datetime

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from cdp.models import ApiToken, Run
from tests.clients import api_of
from tests.factories.cdp import UserFactory

pytestmark = pytest.mark.django_db


def test_a_run_tells_what_it_does_and_how_far_it_is():
    created_at = datetime(2026, 11, 22, 12, 0, 0, 5000, tzinfo=UTC)
    run = Run.objects.create(
        kind="refresh", subject="segment:loyal", user=UserFactory(username="li"), state="running", done=1, total=3,
        counts={"entered": 1},
    )  # fmt: skip
    Run.objects.filter(pk=run.pk).update(created_at=created_at)

    assert api_of("viewer").send("get", f"runs/{run.pk}/").json() == {
        "id": run.pk,
        "kind": "refresh",
        "subject": "segment:loyal",
        "state": "running",
        "user": "li",
        "done": 1,
        "total": 3,
        "percent": 33,
        "counts": {"entered": 1},
        "error": "",
        "can_cancel": False,
        "has_result": False,
        "created_at": "2026-11-22T12:00:00.005000Z",
        "started_at": None,
        "ended_at": None,
    }


def test_why_a_run_failed_is_for_those_who_may_see_personal_data():
    run = Run.objects.create(kind="import", subject="shop", state="failed", error="line 2: 'Ann' is not a date")

    shown = {role: api_of(role).send("get", f"runs/{run.pk}/").json()["error"] for role in ("viewer", "operator")}

    assert shown == {
        "viewer": "Details are hidden: they may hold personal data.",
        "operator": "line 2: 'Ann' is not a date",
    }


def test_columns_among_the_counts_are_for_those_who_may_see_personal_data():
    counts = {"new": 3, "refused": 1, "refused_rows": ["3: 王五, 13800139999"], "again": ["12"]}
    run = Run.objects.create(kind="import", subject="shop", counts=counts)

    shown = {role: api_of(role).send("get", f"runs/{run.pk}/").json()["counts"] for role in ("viewer", "operator")}

    assert shown == {"viewer": {**counts, "refused_rows": ["3"]}, "operator": counts}


def test_runs_are_filtered_by_kind_and_state():
    api = api_of("viewer")
    made = [
        Run.objects.create(kind=kind, subject="s", state=state)
        for kind, state in [("score", "queued"), ("refresh", "queued"), ("refresh", "failed")]
    ]

    found = api.send("get", "runs/?kind=refresh&state=queued").json()

    assert [row["id"] for row in found["results"]] == [made[1].pk]


@pytest.mark.parametrize("n", [1, 20])
def test_a_list_of_runs_is_one_query(n, django_assert_num_queries):
    api = api_of("viewer")
    Run.objects.bulk_create(Run(kind="score", subject="rfm", user=UserFactory()) for _ in range(n))

    with django_assert_num_queries(3 + 1):
        assert len(api.send("get", "runs/").json()["results"]) == n


def test_who_started_a_run_stops_it_and_others_need_the_permission():
    own, strangers = api_of("integration"), api_of("integration")
    user = ApiToken.objects.order_by("pk").first().user
    run = Run.objects.create(kind="import", subject="till", user=user, state="running", is_cancellable=True)

    refused, stopped = strangers.send("post", f"runs/{run.pk}/cancel/"), own.send("post", f"runs/{run.pk}/cancel/")

    assert (refused.status_code, stopped.status_code) == (403, 200)
    assert stopped.json()["can_cancel"] is False
    run.refresh_from_db()
    assert run.cancel_asked_at is not None


def test_a_run_that_does_not_stop_half_way_answers_409():
    run = Run.objects.create(kind="refresh", subject="segment:loyal", state="running")

    answer = api_of("admin").send("post", f"runs/{run.pk}/cancel/")

    assert (answer.status_code, answer.json()["detail"]) == (409, "This work does not stop half-way.")


def test_the_result_of_a_run_is_a_file_for_those_who_may_see_personal_data():
    name = default_storage.save("imports/7/refused.csv", ContentFile("姓名\n张三\n"))
    run = Run.objects.create(kind="import", subject="till", state="succeeded", result_file=name)

    shown = {role: api_of(role).send("get", f"runs/{run.pk}/result/") for role in ("viewer", "operator")}

    assert shown["viewer"].status_code == 403
    assert shown["operator"].getvalue().decode() == "姓名\n张三\n"
    assert shown["operator"]["Content-Disposition"] == 'attachment; filename="refused.csv"'


def test_a_run_without_a_result_answers_404():
    run = Run.objects.create(kind="import", subject="till", result_file="imports/gone.csv")

    assert api_of("operator").send("get", f"runs/{run.pk}/result/").status_code == 404
