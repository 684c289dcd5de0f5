"""The benchmarks run, and say what they measured."""

import json

import pytest

from benchmarks import accept, members, refresh_changes, refresh_full, unify
from benchmarks.figure import Sizes

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)  # they TRUNCATE, and commit

SIZES = Sizes(messages=100, profiles=2_000)


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
        (unify.unify, {"unify": 100, "unify_by_two": 100, "unify_growth": 100, "unify_memory": 100}),
        (refresh_full.refresh_full, {"refresh_full_fill": 2_000, "refresh_full_unchanged": 2_000}),
        (refresh_changes.changes, {"refresh_changes": 20}),
        (members.members, {"members_page": 100}),
    ],
)
def test_figures_are_beside_their_floors(measure, sizes):
    figures = [json.loads(figure.as_json()) for figure in measure(SIZES)]

    assert {figure["figure"]: figure["n"] for figure in figures} == sizes
    for figure in figures:
        assert figure.get("seconds", figure.get("peak_mb")) > 0
        assert figure.get("floor_seconds", figure.get("floor_mb")) > 0
