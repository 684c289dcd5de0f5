"""Pages of a list by its key: page n costs what page 1 costs, however long the list is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from django.db.models import Model, QuerySet

from cdp.ids import is_id

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True)
class KeysetPage(Generic[Row]):
    """`next_after` is the key of the last row where more follow, else None; `is_first` says that none came before."""

    rows: list[Row]
    next_after: int | None
    is_first: bool


def keyset_page(
    rows: QuerySet[Row], *, key: str, after: str, size: int = 50, newest_first: bool = False
) -> KeysetPage[Row]:
    """The rows past `after` in the order of the integer `key`; text that is no number is the first page."""
    start = int(after) if is_id(after) else None
    if start is not None:
        rows = rows.filter(**{f"{key}__lt" if newest_first else f"{key}__gt": start})
    found = list(rows.order_by(f"-{key}" if newest_first else key)[: size + 1])
    page = found[:size]
    more = len(found) > size
    return KeysetPage(page, getattr(page[-1], key) if more else None, is_first=start is None)
