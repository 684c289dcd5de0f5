"""The lines of a file, as bytes and as text, in bounded memory."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from django.utils.translation import gettext as _

from profiles.imports.errors import ImportFileError

GZIP_MARK = b"\x1f\x8b"
BOM = "\ufeff"
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
MAX_LINE = 1 << 20  # bytes; what is longer is no line of a table
# Unpacked, of a file that is looked at while somebody waits: 300 MB of zeros, which pack into 300 KB, took 16 s.
LOOK_BYTES = 32 << 20
LINE_COST = 256  # bytes that a line counts at least: millions of empty ones take long too


class Line(NamedTuple):
    """`number` counts from 1. Where `problem` says why it is no text, `text` has a mark in place of what is wrong."""

    number: int
    text: str
    problem: str = ""


class Start:
    """The start of an open file: it seems to end behind the line in which it reaches LOOK_BYTES."""

    def __init__(self, file: gzip.GzipFile | BufferedReader) -> None:
        self._file = file
        self._left = LOOK_BYTES

    def readline(self, size: int) -> bytes:
        if self._left <= 0:
            return b""
        line = self._file.readline(size)
        self._left -= max(len(line), LINE_COST)
        return line

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def open_start(path: Path) -> Start:
    return Start(open_bytes(path))


def open_bytes(path: Path) -> gzip.GzipFile | BufferedReader:
    """The bytes of a file, unpacked if it is packed by gzip."""
    with path.open("rb") as file:
        is_packed = file.read(len(GZIP_MARK)) == GZIP_MARK
    return gzip.open(path, "rb") if is_packed else path.open("rb")


def read_lines(path: Path, encoding: str, *, is_look: bool = False) -> Iterator[Line]:
    """The lines with their ends; for a look, those of the start. Neither encoding uses the byte of a line end for
    anything else.

    Raises ImportFileError for UTF-16, and OSError or EOFError (a packed file that was cut off).
    """
    with open_start(path) if is_look else open_bytes(path) as file:
        number = 0
        while raw := file.readline(MAX_LINE):
            number += 1
            if number == 1 and raw.startswith(UTF16_MARKS):
                raise ImportFileError(_("The file is UTF-16: save it as UTF-8."))
            problem = skip_rest(file) if len(raw) == MAX_LINE and not raw.endswith(b"\n") else ""
            try:
                text = raw.decode(encoding)
            except UnicodeDecodeError as error:
                text = raw.decode(encoding, errors="replace")
                problem = problem or _("byte %(place)d of line %(line)d, 0x%(byte)02x, is not %(encoding)s") % {
                    "place": error.start + 1,
                    "line": number,
                    "byte": raw[error.start],
                    "encoding": encoding.upper(),
                }
            yield Line(number, text.removeprefix(BOM) if number == 1 else text, problem)


def skip_rest(file: gzip.GzipFile | BufferedReader | Start) -> str:
    """Pass by what is left of a line that is too long; returns what to say of it."""
    while (more := file.readline(MAX_LINE)) and not more.endswith(b"\n"):
        pass
    return _("the line is longer than %(size)d KB") % {"size": MAX_LINE // 1024}
