"""JSON columns: numbers come back as they were written."""

import sys

import pytest
from django.apps import apps
from django.db import connection, models

from cdp.json_field import JsonField
from cdp.models import Run

NUMBERS = [1e20, -1e20, 1e308, 2.0**64, 2**64 - 1, -(2**63), 2**53 + 1, 1, 1.5, -0.25]


def test_every_column_of_json_is_read_in_the_same_way():
    fields = {field for model in apps.get_models() for field in model._meta.local_fields}

    found = {field for field in fields if isinstance(field, models.JSONField)}

    assert len(found) > 20
    assert [str(field) for field in found if not isinstance(field, JsonField)] == []


@pytest.mark.django_db
def test_a_number_of_any_size_comes_back_as_it_was_written():
    run = Run.objects.create(kind="check", params={"numbers": NUMBERS})

    run.refresh_from_db()

    assert run.params == {"numbers": NUMBERS}
    assert [type(number) for number in run.params["numbers"]] == [type(number) for number in NUMBERS]
    assert Run.objects.filter(params__numbers__contains=1e20).values_list("params__numbers__0", flat=True)[0] == 1e20


@pytest.mark.django_db
def test_a_number_that_sql_made_beyond_all_floats_is_the_greatest():
    run = Run.objects.create(kind="check")
    with connection.cursor() as cursor:
        cursor.execute("""UPDATE cdp_run SET params = '{"sum": 3e308, "less": -1e999, "n": 3, "half": 0.5}'""")

    run.refresh_from_db()

    assert run.params == {"sum": sys.float_info.max, "less": -sys.float_info.max, "n": 3, "half": 0.5}
    assert isinstance(run.params["n"], int)
