"""Limits in time: of one statement, and of many together."""

import time

import pytest
from django.db import connection, transaction

from cdp import local_settings
from cdp.local_settings import TimeLimitExceeded, deadline, set_local, time_limit

pytestmark = pytest.mark.django_db


def ask(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0]


def do_within(seconds, *steps):
    with transaction.atomic(), deadline(seconds):
        for step in steps:
            step()


def wait():
    ask("SELECT pg_sleep(0.6)")


def test_many_statements_end_together_though_each_is_quick_enough():
    with pytest.raises(TimeLimitExceeded):
        do_within(1, wait, wait)

    assert ask("SHOW statement_timeout") == "0"


def test_what_is_done_between_them_counts_too():
    with pytest.raises(TimeLimitExceeded):
        do_within(0.1, lambda: time.sleep(0.2), lambda: ask("SELECT 1"))


@pytest.mark.parametrize("limit", [deadline, time_limit])
def test_the_end_of_a_limit_that_comes_too_late_is_over_the_limit(limit, monkeypatch):
    """It is a statement under the limit as the others are, also where little is left of it."""

    def too_late(**values):
        if values == {"statement_timeout": "0"}:
            ask("SELECT pg_sleep(30)")
        set_local(**values)

    monkeypatch.setattr(local_settings, "set_local", too_late)
    with pytest.raises(TimeLimitExceeded), transaction.atomic(), limit(0.2):
        ask("SELECT 1")

    assert ask("SHOW statement_timeout") == "0"


def test_afterwards_the_transaction_goes_on_without_a_limit():
    with transaction.atomic():
        with deadline(60):
            assert ask("SHOW statement_timeout") != "0"
        assert ask("SHOW statement_timeout") == "0"
