"""Counting the rows of a file gives as many as reading them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from profiles.imports.errors import ImportFileError
from profiles.imports.readers import Reading, count_rows, open_rows
from profiles.imports.readers.lines import MAX_LINE

PIECES = [
    b"a", "张".encode(), "张".encode("gb18030"), b",", b";", b"|", b" ", b"\t", b"\r", b"\n", b"\r\n", b'"', b"\0",
    "\u3000".encode(), "\u3000".encode("gb18030"), "\u00a0".encode("gb18030"), b"\xef\xbb\xbf", b"\xff", b"0",
    b"\x81", b"\x85", b"strata_row",
]  # fmt: skip


@given(
    st.sampled_from([b"name\n", b"\xef\xbb\xbfname\n", b"\xef\xbb\xbf\nname\n", "\ufeff \nname\n".encode("gb18030")]),
    st.lists(st.sampled_from(PIECES), max_size=30).map(b"".join),
    st.sampled_from(["utf-8", "gb18030"]),
    st.sampled_from([",", ";", "|", "\t"]),
    st.booleans(),
)
@example(b"name\n", b" , \r\n,,\n \n1,2", "utf-8", ",", False)
@example(b"name\n", b"\xef\xbb\xbf\na,b\n1,2\n", "utf-8", ",", True)
@example(b"name\n", b"\r,", "utf-8", ",", True)
@example(b"name\n", b"a\rb,c\n1\n\r\n", "utf-8", ",", True)
def test_as_many_are_counted_as_are_read(start, content, encoding, delimiter, has_header):
    reading = Reading("csv", encoding, delimiter, has_header)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        path.write_bytes(start + content)

        assert n_of(lambda: count_rows(path, reading)) == n_of(lambda: sum(1 for _row in open_rows(path, reading)))


def n_of(count: Callable[[], int]) -> int | None:
    """None where the file as a whole cannot be read."""
    try:
        return count()
    except ImportFileError:
        return None


@pytest.mark.parametrize("line", [b"x" * (MAX_LINE + 5), b" " * (MAX_LINE + 5)], ids=["text", "blank"])
def test_a_line_that_is_too_long_counts_once(tmp_path, line):
    path = tmp_path / "rows.csv"
    path.write_bytes(b"name\n" + line + b"\n1\n")

    assert count_rows(path, Reading("csv")) == 2 == sum(1 for _row in open_rows(path, Reading("csv")))
