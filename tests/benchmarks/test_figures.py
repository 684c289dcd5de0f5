"""The benchmarks run, and say what they measured."""

import json

import pytest

from benchmarks import (
    accept,
    following,
    preview,
    reading,
    refresh_changes,
    refresh_clock,
    refresh_full,
    unify,
    unify_growth,
)
from benchmarks.figure import Sizes
from benchmarks.scratch import drop_templates, scratch

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)  # they copy databases, and commit

SIZES = Sizes(messages=100, profiles=1_000, events=5_000)
FEWER = [
    (refresh_changes, "N_CHANGED", 50),
    (refresh_changes, "N_SEGMENTS", 10),
    (refresh_changes, "ROUNDS", 1),
    (refresh_full, "TRIES", 1),
    (unify_growth, "ROUNDS", 1),
    (preview, "TRIES", 1),
    (reading, "TRIES", 1),
]
LISTS, FILES = reading.LISTS, reading.FORMATS


@pytest.fixture(autouse=True, scope="module")
def _no_templates_left():
    yield
    drop_templates()


@pytest.mark.parametrize(
    ("measure", "sizes"),
    [
        (
            accept.accept,
            {
                "accept": 100,
                "accept_gzip": 100,
                "accept_new_connections": 100,
                "accept_beside_a_worker": 100,
            },
        ),
        (unify.unify, {"unify": 400, "unify_by_two": 400, "unify_memory": 400}),
        (unify_growth.unify_growth, {"unify_growth": 400}),
        (
            refresh_full.refresh_full,
            {
                "refresh_full_fill": 1_000,
                "refresh_full_hundredth": 1_000,
                "refresh_full_unchanged": 1_000,
                "refresh_full_memory": 1_000,
            },
        ),
        (
            refresh_changes.changes,
            {
                "refresh_changes_windowed": 500,
                "refresh_changes_windowed_moving": 500,
                "refresh_changes_windowed_growth": 500,
                "refresh_changes_ever": 500,
                "refresh_changes_ever_moving": 500,
                "refresh_changes_ever_growth": 500,
                "refresh_changes_memory": 500,
            },
        ),
        (following.following, {"following": 200}),
        (preview.preview, {f"preview_{name}": 1_000 for name in preview.PREVIEWS}),
        (reading.reading, {f"reading_{name}": 1_000 for name in (*LISTS, *FILES)}),
    ],
)
def test_figures_are_beside_their_floors(measure, sizes, monkeypatch):
    for module, name, fewer in FEWER:
        monkeypatch.setattr(module, name, fewer)
    with scratch():
        figures = [json.loads(figure.as_json()) for figure in measure(SIZES)]

    assert {figure["figure"]: figure["n"] for figure in figures} == sizes
    for figure in figures:
        assert figure.get("seconds", figure.get("peak_mb")) > 0
        assert figure.get("floor_seconds", figure.get("floor_mb")) > 0


def test_the_clock_finds_who_is_due():
    with scratch():
        figures = {figure.name: figure for figure in refresh_clock.clock(SIZES)}

    assert figures["refresh_clock_week"].n > figures["refresh_clock_day"].n > 0
    assert figures["refresh_clock_idle"].n == refresh_clock.N_TICKS * refresh_clock.N_SEGMENTS
