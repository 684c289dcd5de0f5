"""The titles that the shop sells: music by nobody."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

CATEGORIES = ("Mandopop", "Pop", "Rock", "Jazz", "Classical", "Folk")
FIRST = ("夜", "雨", "Blue", "Silver", "春", "Quiet", "风", "Golden", "Northern", "海")
SECOND = ("之歌", "的声音", "River", "Letters", "旅人", "Hours", "与光", "Garden", "Radio", "Sessions")


@dataclass(frozen=True)
class Title:
    product_id: str
    name: str
    category: str


TITLES = [
    Title(f"CD{number:04d}", f"{FIRST[number % 10]} {SECOND[number // 10]}", CATEGORIES[number % 6])
    for number in range(100)
]


def choose_titles(n_titles: int, favourite: str, chance: random.Random) -> list[Title]:
    """Titles for one order, more than half of them of the favourite category."""
    weights = [8 if title.category == favourite else 1 for title in TITLES]
    return chance.choices(TITLES, weights, k=n_titles)


def as_products(titles: list[Title], total_cents: int) -> list[dict[str, Any]]:
    """Segment's `products`: one a title, quantity 1, whose prices add up to the total."""
    share, rest = divmod(total_cents, len(titles))
    return [
        {
            "product_id": title.product_id,
            "name": title.name,
            "category": title.category,
            "price": (share + (1 if position < rest else 0)) / 100,
            "quantity": 1,
        }
        for position, title in enumerate(titles)
    ]
