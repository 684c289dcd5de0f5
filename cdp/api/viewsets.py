"""What the viewsets of all apps share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.db import transaction
from django.db.models import Model
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
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.viewsets import GenericViewSet

from cdp.api.idempotency import once
from cdp.audit import write_addition, write_change, write_deletion

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
    deleting_bodies: dict[str, type[Serializer[Any]]] = {}  # by action: what a DELETE of it takes, for the schema

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self._check_query(request)
        if request.method == "POST" and self.action not in self.reading_actions:
            self.post = once(self.post)  # type: ignore[has-type]

    def _check_query(self, request: Request) -> None:
        """A misspelt filter would answer with everybody; a NUL is no text of PostgreSQL."""
        known = {*self.query_parameters}
        if self.pagination_class is not None:
            known |= {"cursor", "page_size"}
        if self.filterset_class is not None:
            known |= self.filterset_class.get_filters().keys()  # type: ignore[no-untyped-call]
        names = ", ".join(sorted(known))
        message = _("unknown parameter; known: %s") % names if known else _("unknown parameter; none is known here")
        if unknown := {name: [message] for name in request.query_params if name not in known}:
            raise ValidationError(unknown)
        if torn := {
            name: [_("must not contain a NUL")] for name, text in request.query_params.items() if "\x00" in text
        }:
            raise ValidationError(torn)


class ReadingViewSet(RetrieveModelMixin, ListModelMixin, ApiViewSet):
    """A list and its items."""


class AuditedViewSet(ReadingViewSet):
    """Whoever makes, changes or deletes an item leaves an entry in the audit, in the same transaction: what can be
    written of it, as this user reads it, before and after. What is only read, such as a write key, is never in it.
    """

    before: dict[str, Any]
    thing: Model
    thing_id: Any

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if self.action in ("create", "partial_update", "destroy"):
            method = str(request.method).lower()
            setattr(self, method, self._audited(getattr(self, method)))
        super().initial(request, *args, **kwargs)

    def get_object(self) -> Any:
        """The item; the audit wants to know how it was."""
        self.thing = super().get_object()
        if self.action in ("partial_update", "destroy"):
            self.before = self.values_of(self.get_serializer(self.thing).data)
            self.thing_id = self.thing.pk
        return self.thing

    def values_of(self, shown: Mapping[str, Any]) -> dict[str, Any]:
        """Those of the shown fields that can be written."""
        serializer: Any = self.get_serializer()
        fields = serializer.fields
        return {name: value for name, value in shown.items() if name in fields and not fields[name].read_only}

    def _audited(self, handler: Callable[..., Response]) -> Callable[..., Response]:
        def handle(request: Request, *args: Any, **kwargs: Any) -> Response:
            user: Any = request.user
            with transaction.atomic():
                response = handler(request, *args, **kwargs)
                if self.action == "destroy":
                    self.thing.pk = self.thing_id  # which its deletion took from it
                    write_deletion(user, self.thing, self.before)
                elif self.action == "create":
                    shown = response.data
                    made = self.get_queryset().get(**{self.lookup_field: shown[self.lookup_field]})
                    write_addition(user, made, self.values_of(shown))
                else:
                    after = self.values_of(self.get_serializer(self.thing).data)
                    write_change(user, self.thing, before=self.before, after=after)
            return response

        return handle


class ManagingViewSet(CreateModelMixin, UpdateModelMixin, DestroyModelMixin, AuditedViewSet):
    """A list whose items are made by POST, changed in part by PATCH, and deleted; found by `key`."""

    http_method_names = ["get", "head", "options", "post", "patch", "delete"]
    lookup_field = "key"
    lookup_value_regex = KEY_PATTERN
