"""What can be told of a file before anything is known of its meaning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class FileFacts:
    """How a file is read, and how it begins.

    `format` is `csv`, `ndjson` or `parquet`; `encoding` `utf-8` or `gb18030`; `delimiter` one of `,;\\t|` (of CSV).
    `columns` are the names of its header, of NDJSON dotted paths in the order of their first sight in the sample.
    `sample` holds the first rows (at most SAMPLE_ROWS), each by column name; cells of CSV are texts, without spaces
    around them. `problems` are sentences on what is wrong with the file as a whole: with any, it cannot be imported.
    """

    format: str
    encoding: str
    delimiter: str
    columns: tuple[str, ...]
    sample: tuple[dict[str, Any], ...]
    problems: tuple[str, ...] = ()
