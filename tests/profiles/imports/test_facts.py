"""What is told of a file by looking at it."""

import gzip
from importlib.util import find_spec

import pytest

from profiles.imports.errors import ImportFileError
from profiles.imports.facts import facts_of
from profiles.imports.readers.lines import LINE_COST, LOOK_BYTES, Start

MEMBERS = "会员卡号,手机号,姓名\nVIP1,13800138000,张三\nVIP2,13800138001,李四\n"
needs_parquet = pytest.mark.skipif(find_spec("pyarrow") is None, reason="requirements/parquet.txt is not installed")


@pytest.fixture
def write(tmp_path):
    def write(content, name="members.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "gbk"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_encoding_and_delimiter_are_told(write, encoding, delimiter):
    facts = facts_of(write(MEMBERS.replace(",", delimiter).encode(encoding)))

    assert facts.format == "csv"
    assert facts.encoding == ("utf-8" if encoding.startswith("utf-8") else "gb18030")
    assert facts.delimiter == delimiter
    assert facts.columns == ("会员卡号", "手机号", "姓名")
    assert facts.sample[1] == {"会员卡号": "VIP2", "手机号": "13800138001", "姓名": "李四"}


def test_one_broken_byte_does_not_decide(write):
    content = (MEMBERS * 1).encode() + b"VIP3,\xff,\xe7\x8e\x8b\xe4\xba\x94\n"

    assert facts_of(write(content)).encoding == "utf-8"


def test_packed_files_and_ndjson(write):
    packed = facts_of(write(gzip.compress(MEMBERS.encode("gb18030")), "members.csv.gz"))
    lines = facts_of(write('{"card": 1, "address": {"city": "上海"}}\n{"name": "x"}\n', "members.ndjson"))

    assert (packed.format, packed.encoding, packed.sample[0]["姓名"]) == ("csv", "gb18030", "张三")
    assert (lines.format, lines.columns) == ("ndjson", ("card", "address.city", "name"))
    assert lines.sample == ({"card": 1, "address.city": "上海"}, {"name": "x"})


def test_parquet_has_its_own_types(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "orders.parquet"
    columns = {
        "card": ["V1", "V2"],
        "address": [{"city": "上海", "at": {"lat": 31.2}}, None],
        "total": [9.5, float("nan")],
        "hobbies": [["tea", "酒"], []],
        "lines": [[{"sku": "a"}], None],
    }
    parquet.write_table(arrow.table(columns), path)

    facts = facts_of(path)

    assert facts.format == "parquet"
    assert facts.columns == ("card", "address.city", "address.at.lat", "total", "hobbies", "lines")
    first, second = facts.sample
    assert first == {
        "card": "V1",
        "address.city": "上海",
        "address.at.lat": 31.2,
        "total": 9.5,
        "hobbies": ["tea", "酒"],
        "lines": [{"sku": "a"}],
    }
    assert (second["total"], second["hobbies"]) == (None, [])


def test_columns_without_a_name_are_told(write):
    facts = facts_of(write(b"a,,b,,b\n1,,2,,3\n"))

    assert facts.warnings == ("There is more than one column named b.", "2 columns have no name: they are passed by.")


def test_what_is_given_is_not_guessed(write):
    facts = facts_of(write(b"a,b;c\n1,2;3\n"), encoding="gb18030", delimiter=";")

    assert (facts.encoding, facts.delimiter, facts.columns) == ("gb18030", ";", ("a,b", "c"))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "The file is empty."),
        (MEMBERS.encode("utf-16"), "is UTF-16: save it as UTF-8"),
        (b"PK\x03\x04....", "is a workbook (.xlsx): save the sheet as CSV"),
        (gzip.compress(MEMBERS.encode())[:10] + b"\xff" * 40, "invalid block type"),
        (gzip.compress(MEMBERS.encode())[:30], "Compressed file ended before the end-of-stream marker was reached"),
        pytest.param(b"PAR1....PAR2", "is not Parquet", marks=needs_parquet),
        (bytes(range(256)) * 50, "is no table: a column is named by NUL characters"),
        (b'{"a\\u0000": 1}\n', "is no table: a column is named by NUL characters"),
        (b'a,"b\n', "cannot be read: a quote is opened and not closed"),
        (b"a,b\r1,2\r", "lines end by CR alone"),
        (b'[\n {"a": 1},\n {"a": 2}\n]', "is one JSON text: write one object a line (NDJSON)"),
        (b'{\n "a": 1\n}', "is one JSON text: write one object a line (NDJSON)"),
        (b"\xef\xbb\xbf\r\n<HTML><table><tr><td>a", "is a web page"),
        (b'<?xml version="1.0"?><Workbook>', "is a web page"),
    ],
    ids=[
        "empty",
        "utf-16",
        "workbook",
        "torn",
        "packed",
        "parquet",
        "binary",
        "binary json",
        "quotes",
        "CR",
        "JSON list",
        "JSON object",
        "HTML",
        "XML",
    ],
)
def test_what_cannot_be_read_is_said(write, content, problem):
    with pytest.raises(ImportFileError) as error:
        facts_of(write(content))

    assert problem in str(error.value)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"0" * (100 << 20), "the line is longer than 1024 KB"),
        (b"\n" * (100 << 20), "The file is empty."),
    ],
    ids=["one line", "many lines"],
)
def test_a_look_reads_no_more_than_the_start(write, content, problem, monkeypatch):
    """Packed, these are a hundred kilobytes."""
    taken = []
    original = Start.readline

    def readline(self, size):
        taken.append(len(line := original(self, size)))
        return line

    monkeypatch.setattr(Start, "readline", readline)

    with pytest.raises(ImportFileError, match=problem):
        facts_of(write(gzip.compress(content, 1)))

    assert sum(taken) <= 4 * LOOK_BYTES  # of the encoding, the delimiter, the columns
    assert len(taken) <= 4 * LOOK_BYTES // LINE_COST


def test_a_file_without_rows_and_doubled_columns_are_warned_of(write):
    facts = facts_of(write("a,a\n"))

    assert facts.warnings == ("The file has no rows that can be read.", "There is more than one column named a.")
