"""Lines that are written for COPY hold what was meant, whatever characters are in it."""

import orjson
import pytest
from django.db import connection
from hypothesis import example, given
from hypothesis import strategies as st

from cdp.copy import LINES_AT_ONCE, as_text, copy_lines, json_as_text

pytestmark = pytest.mark.django_db
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@given(st.lists(st.tuples(TEXTS, st.none() | TEXTS), min_size=1))
@example([("\\N", None), ("a\tb\\t", "\r\n\\."), ("", "\\"), ("\\.", "\x85\u2028")])
def test_lines_come_back_as_they_went_in(rows):
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE IF NOT EXISTS line (one text, other text)")
        cursor.execute("TRUNCATE line")
        copy_lines("line", ["one", "other"], ("\t".join(map(as_text, row)) for row in rows))
        cursor.execute("SELECT one, other FROM line ORDER BY ctid")
        assert cursor.fetchall() == rows


@given(
    st.lists(st.recursive(TEXTS | st.none() | st.booleans(), lambda inner: st.dictionaries(TEXTS, inner)), min_size=1)
)
def test_json_comes_back_as_it_went_in(values):
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE IF NOT EXISTS said (value jsonb)")
        cursor.execute("TRUNCATE said")
        copy_lines("said", ["value"], map(json_as_text, values))
        cursor.execute("SELECT value::text FROM said ORDER BY ctid")
        assert [orjson.loads(value) for (value,) in cursor.fetchall()] == values


def test_empty_lines_are_lines_and_all_blocks_are_written():
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE line (one text)")
        copy_lines("line", ["one"], [""] * (LINES_AT_ONCE + 1))
        cursor.execute("SELECT count(*) FROM line WHERE one = ''")
        assert cursor.fetchone() == (LINES_AT_ONCE + 1,)
