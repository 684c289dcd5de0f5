"""The planner knows of the tables that an import fills, from its first batch on."""

import pytest
from django.db import connection

from profiles.imports.statistics import FILLED
from tests.profiles.imports.files import MEMBERS, MEMBERS_MAPPING

pytestmark = pytest.mark.django_db


def never_looked_at():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE oid = ANY(%s::text[]::regclass[]) AND reltuples < 0", [list(FILLED)]
        )
        return {name for (name,) in cursor.fetchall()}


def test_statistics_are_taken_of_tables_of_which_none_were(load):
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(FILLED)} CASCADE")  # forgets them too
    assert "profiles_identifier" in never_looked_at()

    load(MEMBERS, MEMBERS_MAPPING)

    assert never_looked_at() == set()
