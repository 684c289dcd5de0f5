"""Counts of small tables are exact; those of big ones come from a sample."""

import pytest
from psycopg import sql

from cdp import sampling
from cdp.models import Run
from cdp.sampling import count_sampled

pytestmark = pytest.mark.django_db


def count_runs():
    return count_sampled(
        "cdp_run",
        counted=sql.SQL("count(*), count(*) FILTER (WHERE t.kind = %(kind)s)"),
        where=sql.SQL("t.subject <> ''"),
        params={"kind": "b"},
    )


def test_an_empty_table_counts_nothing():
    assert count_runs() == sampling.Sampled((0, 0), is_exact=True)


def test_a_small_table_is_counted_exactly():
    Run.objects.bulk_create(Run(kind=kind, subject="s") for kind in "aab")

    assert count_runs() == sampling.Sampled((3, 1), is_exact=True)


def test_a_big_table_is_estimated(monkeypatch):
    monkeypatch.setattr(sampling, "MAX_PAGES", 20)
    Run.objects.bulk_create(Run(kind="ab"[n % 2], subject="s" * 100) for n in range(4_000))

    counted = count_runs()

    assert not counted.is_exact
    assert counted.counts[0] == pytest.approx(4_000, rel=0.5)
    assert counted.counts[1] == pytest.approx(2_000, rel=0.5)
