"""Runs: queued once, carried out by one worker, and run again after a crash."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import OperationalError
from psycopg import errors

from cdp import runs
from cdp.locks import held_subjects, session_lock
from cdp.models import Run

NOW = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)


@pytest.fixture
def sent(monkeypatch):
    """Ids of the runs that went to the broker."""
    ids: list[int] = []
    monkeypatch.setattr(runs.app, "send_task", lambda name, args, **options: ids.extend(args))
    return ids


@pytest.fixture
def count(monkeypatch):
    """A kind `count` whose function notes the subjects it was called for."""
    subjects: list[str] = []

    def work(run: Run, now: datetime) -> None:
        subjects.append(run.subject)
        runs.advance(run, 3, 4, rows=3)

    monkeypatch.setitem(runs._functions, "count", work)
    return subjects


@pytest.mark.django_db
def test_queued_run_is_sent_when_the_transaction_commits(sent, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        run = runs.queue_run("count", "a")
        assert sent == []

    assert sent == [run.pk]
    assert run.state == Run.State.QUEUED


@pytest.mark.django_db
def test_waiting_run_with_the_same_parameters_is_reused(sent):
    first = runs.queue_run("count", "a", params={"n": 1})

    assert runs.queue_run("count", "a", params={"n": 1}) == first
    assert runs.queue_run("count", "a", params={"n": 2}) != first
    assert runs.queue_run("count", "b", params={"n": 1}) != first


@pytest.mark.django_db
def test_run_that_began_is_not_reused(sent):
    first = runs.queue_run("count", "a")
    Run.objects.filter(pk=first.pk).update(state=Run.State.RUNNING)

    assert runs.queue_run("count", "a") != first


@pytest.mark.django_db
def test_run_succeeds_once(sent, count):
    run = runs.queue_run("count", "a")

    runs.execute_run(run.pk, now=NOW)
    runs.execute_run(run.pk, now=NOW)

    run.refresh_from_db()
    assert count == ["a"]
    assert (run.state, run.done, run.total, run.counts) == (Run.State.SUCCEEDED, 3, 4, {"rows": 3})
    assert run.started_at <= run.ended_at


@pytest.mark.django_db
def test_failure_is_kept_on_the_run(sent, monkeypatch):
    def fail(run: Run, now: datetime) -> None:
        raise ValueError("column 7 is missing")

    monkeypatch.setitem(runs._functions, "count", fail)
    run = runs.queue_run("count", "a")

    runs.execute_run(run.pk, now=NOW)

    run.refresh_from_db()
    assert (run.state, run.error) == (Run.State.FAILED, "column 7 is missing")


@pytest.mark.django_db
def test_failure_names_a_file_and_not_where_it_lies(sent, monkeypatch, tmp_path):
    def fail(run: Run, now: datetime) -> None:
        (tmp_path / "members.csv").read_text()

    monkeypatch.setitem(runs._functions, "count", fail)
    run = runs.queue_run("count", "a")

    runs.execute_run(run.pk, now=NOW)

    run.refresh_from_db()
    assert run.error == "members.csv: it is not there"


@pytest.mark.django_db
def test_unknown_kind_fails_with_its_name(sent):
    run = runs.queue_run("juggle", "a")

    runs.execute_run(run.pk, now=NOW)

    run.refresh_from_db()
    assert run.state == Run.State.FAILED
    assert "'juggle'" in run.error


@pytest.mark.django_db
def test_run_that_another_worker_holds_is_left_alone(sent, count):
    run = runs.queue_run("count", "a")

    with session_lock(runs.LOCK, run.pk, wait=False) as is_mine:
        runs.execute_run(run.pk, now=NOW)

    run.refresh_from_db()
    assert is_mine
    assert (run.state, count) == (Run.State.QUEUED, [])


@pytest.mark.django_db
def test_lost_runs_are_sent_again_and_held_ones_are_not(sent, django_capture_on_commit_callbacks):
    held, lost, ended = (runs.queue_run("count", subject) for subject in "abc")
    Run.objects.filter(pk__in=[held.pk, lost.pk]).update(state=Run.State.RUNNING)
    Run.objects.filter(pk=ended.pk).update(state=Run.State.SUCCEEDED)

    with session_lock(runs.LOCK, held.pk, wait=False), django_capture_on_commit_callbacks(execute=True):
        runs.resume_runs()

    assert sent == [lost.pk]


@pytest.mark.django_db
def test_run_of_a_killed_worker_is_carried_out_again(sent, count):
    run = runs.queue_run("count", "a")
    Run.objects.filter(pk=run.pk).update(state=Run.State.RUNNING, started_at=NOW)

    runs.execute_run(run.pk, now=NOW)

    run.refresh_from_db()
    assert count == ["a"]
    assert (run.state, run.started_at) == (Run.State.SUCCEEDED, NOW)


@pytest.mark.django_db
def test_held_subjects_sees_locks_of_other_sessions():
    with session_lock("thing", 7, wait=True):
        assert held_subjects("thing", [6, 7, 8]) == {7}
    assert held_subjects("thing", [6, 7, 8]) == set()


@pytest.mark.django_db
def test_run_that_the_database_cut_off_is_resumed(sent, monkeypatch, django_capture_on_commit_callbacks):
    def cut_off(run: Run, now: datetime) -> None:
        raise OperationalError("server closed the connection") from errors.OperationalError()

    monkeypatch.setitem(runs._functions, "count", cut_off)
    run = runs.queue_run("count", "a")

    runs.execute_run(run.pk, now=NOW)
    run.refresh_from_db()
    assert (run.state, run.error) == (Run.State.RUNNING, "")

    with django_capture_on_commit_callbacks(execute=True):
        assert runs.resume_runs() == 1
    assert sent == [run.pk]


@pytest.mark.django_db
def test_run_that_was_too_slow_for_the_database_failed(sent, monkeypatch):
    def too_slow(run: Run, now: datetime) -> None:
        raise OperationalError("canceling statement") from errors.QueryCanceled()

    monkeypatch.setitem(runs._functions, "count", too_slow)
    run = runs.queue_run("count", "a")

    runs.execute_run(run.pk, now=NOW)

    run.refresh_from_db()
    assert (run.state, run.error) == (Run.State.FAILED, "canceling statement")


@pytest.mark.django_db
def test_waiting_run_is_cancelled_at_once(sent, count):
    run = runs.queue_run("count", "a", cancellable=True)

    runs.cancel_run(run.pk, now=NOW)
    runs.execute_run(run.pk, now=NOW)

    run.refresh_from_db()
    assert (run.state, run.ended_at, count) == (Run.State.CANCELLED, NOW, [])


@pytest.mark.django_db
def test_run_that_goes_on_stops_at_its_next_step_and_keeps_its_counts(sent, monkeypatch):
    def work(run: Run, now: datetime) -> None:
        runs.advance(run, 1, 9, rows=1)
        runs.cancel_run(run.pk, now=NOW)
        runs.advance(run, 2, 9, rows=2)
        runs.advance(run, 3, 9, rows=3)

    monkeypatch.setitem(runs._functions, "count", work)
    run = runs.queue_run("count", "a", cancellable=True)

    runs.execute_run(run.pk, now=NOW)

    run.refresh_from_db()
    assert (run.state, run.counts, run.error, run.cancel_asked_at) == (Run.State.CANCELLED, {"rows": 2}, "", NOW)


@pytest.mark.django_db
def test_run_whose_worker_died_before_it_noticed_is_not_taken_up_again(sent, count):
    run = runs.queue_run("count", "a", cancellable=True)
    Run.objects.filter(pk=run.pk).update(state=Run.State.RUNNING, cancel_asked_at=NOW)

    runs.execute_run(run.pk, now=NOW)

    run.refresh_from_db()
    assert (run.state, count) == (Run.State.CANCELLED, [])


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("cancellable", "state", "words"),
    [
        (False, Run.State.RUNNING, "This work does not stop half-way."),
        (True, Run.State.SUCCEEDED, "This run has ended already."),
    ],
)
def test_run_that_cannot_stop_says_why(cancellable, state, words):
    run = Run.objects.create(kind="count", subject="a", is_cancellable=cancellable, state=state)

    with pytest.raises(runs.NotCancellableError, match=words):
        runs.cancel_run(run.pk, now=NOW)

    run.refresh_from_db()
    assert (run.state, run.cancel_asked_at) == (state, None)
