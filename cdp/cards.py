"""Cards: the pieces of the dashboard. Each app brings its own in `<app>/cards.py`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest


@dataclass(frozen=True)
class Card:
    """A piece of the dashboard: `load(request)` gives the context of `template`; `permission` is needed to see it."""

    key: str
    order: int
    template: str
    permission: str
    load: Callable[[HttpRequest], dict[str, Any]]


_cards: dict[str, Card] = {}


def register_card(card: Card) -> Card:
    _cards[card.key] = card
    return card


def cards_for(request: HttpRequest) -> list[Card]:
    """The cards that this user may see, in order."""
    allowed = [card for card in _cards.values() if request.user.has_perm(card.permission)]
    return sorted(allowed, key=lambda card: card.order)
