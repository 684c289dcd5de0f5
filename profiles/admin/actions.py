"""What may be done to the people who are chosen in the list. The apps above bring their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from cdp.admin.base import has_perm
from profiles.models import Profile

ProfileAction = Callable[[Any, HttpRequest, QuerySet[Profile]], HttpResponse | None]

PROFILE_ACTIONS: list[Any] = ["merge_chosen"]
_needed: dict[str, str] = {}


def register_profile_action(permission: str) -> Callable[[ProfileAction], ProfileAction]:
    """Offer an admin action in the list of people to whoever has the permission."""

    def register(action: ProfileAction) -> ProfileAction:
        PROFILE_ACTIONS.append(action)
        _needed[action.__name__] = permission
        return action

    return register


def may_take(request: HttpRequest, name: str) -> bool:
    """Whether this user has what a brought action needs; those of the page itself ask for themselves."""
    return name not in _needed or has_perm(request, _needed[name])
