"""Lines that are written for COPY hold what was meant, whatever characters are in it."""

from datetime import UTC, timedelta, timezone

import orjson
import psycopg
import pytest
from django.db import DataError, connection, transaction
from hypothesis import example, given
from hypothesis import strategies as st
from psycopg.errors import InvalidTextRepresentation

from cdp.copy import (
    LINES_AT_ONCE,
    as_text,
    as_texts,
    begun,
    copy_lines,
    copying_behind,
    json_as_text,
    json_as_texts,
    meanwhile,
    times_as_texts,
)

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


@given(st.lists(TEXTS))
@example(["a", "b\tc", "\\", "\n", "\r"])
@example(["a", "b"])
def test_texts_of_a_column_are_each_as_text(texts):
    assert as_texts(iter(texts)) == list(map(as_text, texts))


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


@given(st.lists(TEXTS) | st.lists(TEXTS | st.none() | st.integers(-9, 9) | st.dictionaries(TEXTS, TEXTS)))
@example(["张三", "b c", ""])
@example(["a", "\x7f", "\u3000"])
@example(["a", '"', "\\"])
@example(["a", 1])
def test_values_of_a_column_are_each_as_json(values):
    assert json_as_texts(iter(values)) == list(map(json_as_text, values))


@given(st.lists(st.datetimes(timezones=st.just(UTC)) | st.datetimes(timezones=st.just(timezone(timedelta(hours=8))))))
@example([])
def test_times_of_a_column_are_each_as_text(times):
    assert times_as_texts(iter(times)) == [time.isoformat() for time in times]


def test_empty_lines_are_lines_and_all_blocks_are_written():
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE line (one text)")
        copy_lines("line", ["one"], [""] * (LINES_AT_ONCE + 1))
        cursor.execute("SELECT count(*) FROM line WHERE one = ''")
        assert cursor.fetchone() == (LINES_AT_ONCE + 1,)


@pytest.fixture
def numbers():
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE number (n int)")
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE number")


def numbers_there():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM number")
        return cursor.fetchone()[0]


def copy_numbers(lines, and_then=lambda: None):
    with transaction.atomic(), copying_behind():
        copy_lines("number", ["n"], lines)
        and_then()


def test_what_is_copied_behind_is_there_for_whatever_comes_next(numbers):
    with copying_behind():
        copy_lines("number", ["n"], ["1"] * 10_000)
        copy_lines("number", ["n"], ["2"])
        assert numbers_there() == 10_001
        copy_lines("number", ["n"], ["3"])

    assert numbers_there() == 10_002


@pytest.mark.parametrize(
    "and_then",
    [numbers_there, lambda: copy_lines("number", ["n"], ["3"]), lambda: None],
    ids=["statement", "copy", "end"],
)
def test_what_cannot_be_copied_behind_is_told_by_what_comes_next_and_undone(numbers, and_then):
    copy_lines("number", ["n"], ["1"])

    with pytest.raises(InvalidTextRepresentation):
        copy_numbers(["2", "none"], and_then)

    assert numbers_there() == 1


def test_what_is_begun_is_there_when_asked_for_and_for_whatever_comes_next(numbers):
    insert = "INSERT INTO number SELECT generate_series(1, %s) RETURNING n"

    at_once = begun(insert, [2])
    with copying_behind():
        first = begun(insert, [3])
        begun("UPDATE number SET n = n + 0", [])
        copy_lines("number", ["n"], ["4"] * 10_000)
        second = begun(insert, [1])
        assert numbers_there() == 10_006

    assert [at_once(), first(), second()] == [[(1,), (2,)], [(1,), (2,), (3,)], [(1,)]]


def test_what_cannot_be_done_is_told_to_who_asks_for_it_and_undone(numbers):
    with pytest.raises(DataError):
        copy_numbers(["1"] * 10_000, lambda: begun("INSERT INTO number VALUES (1 / %s) RETURNING n", [0])())

    assert numbers_there() == 0


def test_an_error_of_ones_own_goes_before_and_undoes_what_was_copied_behind(numbers):
    with pytest.raises(KeyError):
        copy_numbers(["1"] * 10_000, lambda: {}["nothing"])

    assert numbers_there() == 0


@pytest.fixture
def other():
    """Another connection to the database."""
    with psycopg.connect(**connection.get_connection_params(), autocommit=True) as other:
        yield other


def test_what_is_waited_for_goes_on_while_work_is_done_meanwhile(other):
    done = []
    other.execute("SELECT pg_advisory_lock(7310)")

    def work():
        done.append(len(done))
        if len(done) == 3:
            other.execute("SELECT pg_advisory_unlock(7310)")  # what is waited for cannot end before
        return len(done) < 5

    with meanwhile(work), transaction.atomic(), copying_behind():
        locked = begun("SELECT 1 FROM pg_advisory_xact_lock(7310)", [])

        assert locked() == [(1,)]

    assert done[:3] == [0, 1, 2]
