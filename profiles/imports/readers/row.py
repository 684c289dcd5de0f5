"""A row of a file, whatever its format."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

# The two columns that the file of refused rows has before those of the original. Uploaded again, they are passed over.
ROW_COLUMN, REASON_COLUMN = "strata_row", "strata_reason"
REPORT_COLUMNS = (ROW_COLUMN, REASON_COLUMN)


class Row(NamedTuple):
    """`number` counts from 1, the header left out; `line` is where it starts (1 is the first of the file; 0: unknown).

    `cells` are by column, as they stand there: texts in CSV, JSON values in the others. `text` is the whole row in its
    order. Where `problem` says what is broken, there are no cells, and `text` is what could be read.
    """

    number: int
    line: int
    cells: dict[str, Any]
    text: tuple[Any, ...]
    problem: str = ""


# What a spreadsheet would run as a formula, marked by quotes or not; a phone or an amount is none.
FORMULA = re.compile(r"'*(?![+-]?[\d .,()-]+\Z)[=+\-@\t\r]", re.DOTALL)


def disarm(cell: str) -> str:
    """A cell of our report as a spreadsheet shows it without running it: a quote before what would be a formula."""
    return f"'{cell}" if FORMULA.match(cell) else cell


def rearm(cell: str) -> str:
    """The cell as it was before `disarm`."""
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell) else cell
