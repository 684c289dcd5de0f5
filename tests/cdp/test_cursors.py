"""Rows that outlive their transaction."""

import pytest
from django.db import transaction

from cdp.cursors import held_rows
from cdp.models import Run


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_rows_are_of_one_moment_and_outlive_the_transactions_that_work_them_off():
    Run.objects.bulk_create(Run(kind="k", subject=str(number)) for number in range(5))

    with held_rows("SELECT subject FROM cdp_run WHERE kind = %s ORDER BY id", ["k"]) as rows:
        chunks = []
        for chunk in rows.chunks(2):
            with transaction.atomic():
                Run.objects.all().delete()
            chunks.append([subject for (subject,) in chunk])

    assert rows.count == 5
    assert chunks == [["0", "1"], ["2", "3"], ["4"]]
