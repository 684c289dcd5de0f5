"""What may be done to the people who are chosen in the list. The apps above bring their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.functional import Promise

from cdp.admin.base import has_perm
from profiles.models import Profile

ProfileAction = Callable[[Any, HttpRequest, QuerySet[Profile]], HttpResponseBase | None]

PROFILE_ACTIONS: list[Any] = ["merge_chosen"]


class _Brought(NamedTuple):
    permissions: tuple[str, ...]
    for_all: str | Promise
    place: int


_brought: dict[str, _Brought] = {}


def register_profile_action(
    *permissions: str, for_all: str | Promise, place: int
) -> Callable[[ProfileAction], ProfileAction]:
    """Offer an admin action in the list of people to whoever has the permissions.

    `for_all` is the button that takes it for a whole list, on this page and wherever else people are listed; buttons
    stand in the order of `place`.
    """

    def register(action: ProfileAction) -> ProfileAction:
        PROFILE_ACTIONS.append(action)
        _brought[action.__name__] = _Brought(permissions, for_all, place)
        return action

    return register


def may_take(request: HttpRequest, name: str) -> bool:
    """Whether this user has what a brought action needs; those of the page itself ask for themselves."""
    return name not in _brought or all(has_perm(request, each) for each in _brought[name].permissions)


def offered_actions(request: HttpRequest) -> list[tuple[str, str | Promise]]:
    """What this user may do with a whole list of people, as (name, words of the button)."""
    in_order = sorted(_brought.items(), key=lambda item: item[1].place)
    return [(name, each.for_all) for name, each in in_order if may_take(request, name)]
