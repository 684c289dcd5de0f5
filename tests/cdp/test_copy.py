"""Lines that are written for COPY hold what was meant, whatever characters are in it."""

import pytest
from django.db import connection
from hypothesis import example, given
from hypothesis import strategies as st

from cdp.copy import as_text, copy_lines

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
