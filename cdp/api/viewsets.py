"""What the viewsets of all apps share."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from django_filters import FilterSet
from rest_framework.exceptions import ValidationError
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
ROW_PATTERN = "[0-9]{1,18}"  # ids of rows, as far as PostgreSQL counts them


class ApiViewSet(GenericViewSet[Any]):
    """Refuses query parameters that it does not know: those of its pages, its filters and `query_parameters`.

    Honours `Idempotency-Key` on every POST but those in `reading_actions`, which change nothing.
    """

    reading_actions: frozenset[str] = frozenset()
    action_permissions: dict[str, tuple[str, ...]] = {}
    filterset_class: type[FilterSet] | None = None
    query_parameters: tuple[str, ...] = ()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self._check_query(request)
        if request.method == "POST" and self.action not in self.reading_actions:
            self.post = once(self.post)  # type: ignore[has-type]

    def _check_query(self, request: Request) -> None:
        """A misspelt filter would answer with everybody."""
        known = {*self.query_parameters}
        if self.pagination_class is not None:
            known |= {"cursor", "page_size"}
        if self.filterset_class is not None:
            known |= self.filterset_class.get_filters().keys()  # type: ignore[no-untyped-call]
        message = _("unknown parameter; known: %s") % ", ".join(sorted(known))
        if unknown := {name: [message] for name in request.query_params if name not in known}:
            raise ValidationError(unknown)


class ReadingViewSet(RetrieveModelMixin, ListModelMixin, ApiViewSet):
    """A list and its items."""


class ManagingViewSet(CreateModelMixin, UpdateModelMixin, DestroyModelMixin, ReadingViewSet):
    """A list whose items are made by POST, changed in part by PATCH, and deleted; found by `key`."""

    http_method_names = ["get", "head", "options", "post", "patch", "delete"]
    lookup_field = "key"
    lookup_value_regex = KEY_PATTERN
