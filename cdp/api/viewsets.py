"""What the viewsets of all apps share."""

from __future__ import annotations

from typing import Any

from django_filters import FilterSet
from rest_framework.mixins import (
    CreateModelMixin,
    DestroyModelMixin,
    ListModelMixin,
    RetrieveModelMixin,
    UpdateModelMixin,
)
from rest_framework.request import Request
from rest_framework.viewsets import GenericViewSet

from cdp.api.idempotency import once

KEY_PATTERN = "[-a-zA-Z0-9_]+"


class ApiViewSet(GenericViewSet[Any]):
    """Honours `Idempotency-Key` on every POST but those in `reading_actions`, which change nothing."""

    reading_actions: frozenset[str] = frozenset()
    action_permissions: dict[str, tuple[str, ...]] = {}
    filterset_class: type[FilterSet] | None = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if request.method == "POST" and self.action not in self.reading_actions:
            self.post = once(self.post)  # type: ignore[has-type]


class ReadingViewSet(RetrieveModelMixin, ListModelMixin, ApiViewSet):
    """A list and its items."""


class ManagingViewSet(CreateModelMixin, UpdateModelMixin, DestroyModelMixin, ReadingViewSet):
    """A list whose items are made by POST, changed in part by PATCH, and deleted; found by `key`."""

    http_method_names = ["get", "head", "options", "post", "patch", "delete"]
    lookup_field = "key"
    lookup_value_regex = KEY_PATTERN
