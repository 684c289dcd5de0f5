"""The one router of the API; apps register their viewsets by `@route("segments")` in the modules of `<app>/api/`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from rest_framework.routers import SimpleRouter
from rest_framework.viewsets import GenericViewSet

ViewSet = TypeVar("ViewSet", bound=type[GenericViewSet[Any]])

router = SimpleRouter()


def route(prefix: str) -> Callable[[ViewSet], ViewSet]:
    """Class decorator: serve the viewset below `/api/v1/<prefix>/`."""

    def register(viewset: ViewSet) -> ViewSet:
        router.register(prefix, viewset, basename=prefix)
        return viewset

    return register
