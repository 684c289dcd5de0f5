"""The real purchases of the CDNOW sample, with their dates moved so that the last day is one of ours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

FILE = Path(__file__).parent / "data" / "cdnow_sample.txt"
LAST_DAY = date(1998, 6, 30)
FIRST_DAY = date(1997, 1, 1)
N_CUSTOMERS = 2_357


@dataclass(frozen=True)
class Purchase:
    """One line of the sample: customer 1 to 2,357, day, number of CDs, and the dollars for all of them in cents."""

    customer: int
    day: date
    n_items: int
    total_cents: int


def read_purchases(*, last_day: date, n_customers: int = N_CUSTOMERS) -> list[Purchase]:
    """The purchases of the first `n_customers`, by customer, then day. 30 June 1998 becomes `last_day`."""
    moved = last_day - LAST_DAY
    purchases = []
    for line in FILE.read_text(encoding="ascii").splitlines():
        _id, customer, day, n_items, dollars = line.split()
        if int(customer) <= n_customers:
            purchases.append(
                Purchase(
                    customer=int(customer),
                    day=datetime.strptime(day, "%Y%m%d").date() + moved,  # noqa: DTZ007 - a day has no zone
                    n_items=int(n_items),
                    total_cents=round(float(dollars) * 100),
                )
            )
    return purchases


def first_day(last_day: date) -> date:
    """The day that 1 January 1997 becomes: 545 days before."""
    return last_day - (LAST_DAY - FIRST_DAY)


def slice_ends(last_day: date, *, n_slices: int = 6) -> list[date]:
    """Last days of equal slices of the whole time, as a shop hands its history over file by file."""
    days = (LAST_DAY - FIRST_DAY).days + 1
    return [first_day(last_day) + timedelta(days=days * (n + 1) // n_slices - 1) for n in range(n_slices)]
