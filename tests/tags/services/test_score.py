"""Computing scores: differences only, and who changed is told."""

from datetime import UTC, datetime, timedelta

import pytest

from cdp.models import Run
from cdp.runs import execute_run, queue_run
from profiles.models import Lane, ProfileChange
from tags import tasks  # noqa: F401 - registers the kind of run
from tags.models import Score
from tags.services import compute_scores
from tags.services.score import queue_due_scores
from tests.factories.profiles import EventFactory, ProfileFactory
from tests.factories.tags import ScoreFactory

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 6, 15, 4, tzinfo=UTC)


def order(**event):
    return EventFactory(definition__name="Order Completed", occurred_at=NOW - timedelta(days=3), value=20, **event)


def test_second_computation_changes_nothing():
    order()

    assert compute_scores("rfm", now=NOW) == 1
    first = Score.objects.get()
    assert compute_scores("rfm", now=NOW + timedelta(hours=1)) == 0

    assert Score.objects.get().scored_at == first.scored_at == NOW
    assert ProfileChange.objects.count() == 1


def test_who_changed_is_enqueued_behind_live_changes():
    profile = order().profile

    compute_scores("rfm", now=NOW)

    row = ProfileChange.objects.get()
    assert (row.profile_id, row.topic, row.lane, row.due_at) == (profile.pk, "score:rfm", Lane.REBUILD, NOW)


def test_score_without_ground_goes():
    score = ScoreFactory()

    assert compute_scores("rfm", now=NOW) == 1

    assert not Score.objects.exists()
    assert ProfileChange.objects.get().profile_id == score.profile_id


def test_scores_of_other_models_stay():
    ScoreFactory(model="other")

    compute_scores("rfm", now=NOW)

    assert Score.objects.get().model == "other"


def test_who_was_merged_meanwhile_is_left_alone():
    score = ScoreFactory(profile__merged_into=ProfileFactory())

    assert compute_scores("rfm", now=NOW) == 0
    assert Score.objects.get() == score


def test_run_tells_how_many_changed():
    order()
    run = queue_run("score", "rfm")

    execute_run(run.pk, now=NOW)

    run.refresh_from_db()
    assert (run.state, run.done, run.total, run.counts) == (Run.State.SUCCEEDED, 1, 1, {"changed": 1})


def test_unknown_model_fails():
    with pytest.raises(KeyError, match="juggle"):
        compute_scores("juggle", now=NOW)


def test_each_model_is_scored_once_a_business_day():
    Run.objects.create(kind="score", subject="rfm")
    midnight = datetime(2026, 6, 14, 16, tzinfo=UTC)  # of 15 June in Shanghai
    Run.objects.update(created_at=midnight)

    assert queue_due_scores(now=NOW) == []
    assert [run.subject for run in queue_due_scores(now=NOW + timedelta(days=1))] == ["rfm"]

    Run.objects.update(created_at=midnight - timedelta(seconds=1))
    assert [run.subject for run in queue_due_scores(now=NOW)] == ["rfm"]
