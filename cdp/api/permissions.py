"""What a role may do here: Django's model permissions, reading included."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from rest_framework.exceptions import MethodNotAllowed, NotAuthenticated, PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

VERBS = {"GET": "view", "HEAD": "view", "OPTIONS": "view", "POST": "add", "PATCH": "change", "DELETE": "delete"}


class RolePermissions(BasePermission):
    """The permission on the view's model that the method stands for.

    `view.action_permissions` names other ones: {action: (permission, …)}, of which all are needed; an action that
    several methods share is named `action:METHOD`. The refusal names what is missing.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        if not request.user.is_authenticated:
            raise NotAuthenticated
        missing = [name for name in needed(request.method or "", view) if not request.user.has_perm(name)]
        if missing:
            raise PermissionDenied(_("This needs the permission %s.") % ", ".join(missing))
        return True


def needed(method: str, view: Any) -> tuple[str, ...]:
    """The permissions of the view's action for a method. Raises MethodNotAllowed where it has no such method."""
    if method not in VERBS or view.action is None:
        raise MethodNotAllowed(method)
    given: dict[str, tuple[str, ...]] = getattr(view, "action_permissions", {})
    for name in (f"{view.action}:{method}", view.action):
        if name in given:
            return given[name]
    meta = view.queryset.model._meta
    return (f"{meta.app_label}.{VERBS[method]}_{meta.model_name}",)
