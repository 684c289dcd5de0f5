"""Which columns of a file name tags, or segments, in their cells."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from profiles.imports.guess import SPLITS, folded, mostly
from profiles.imports.targets.parts import pieces


def guess_named(
    cells: Mapping[str, Sequence[str]], key: str, *, columns: Collection[str], known: Callable[[], Collection[str]]
) -> tuple[list[dict[str, Any]], set[str]]:
    """As `Target.guess`: `{key: {"column": …}}` for what is called like one of `columns`, where most cells name things
    of `known()`, one each, or several parted by one of SPLITS.
    """
    parts, found = [], set()
    named = {column: written for column, written in cells.items() if folded(column) in columns}
    there_are = known() if named else ()
    for column, written in named.items():
        for split in ("", *SPLITS):
            if mostly([name for each in written for name in pieces(each, split)], there_are.__contains__):
                parts.append({key: {"column": column}} | ({"split": split} if split else {}))
                found.add(column)
                break
    return parts, found
