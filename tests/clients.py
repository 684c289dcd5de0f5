"""Calls to the HTTP API as a role would make them."""

from __future__ import annotations

from typing import Any

from django.test import Client
from django.utils import timezone

from tests.factories.cdp import ApiTokenFactory


class ApiClient(Client):
    """`api.send("post", "segments/", {"key": …})`; without a body, none is sent."""

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The answer; header names are written with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        given = {} if body is None else {"data": body, "content_type": "application/json"}
        return getattr(super(), method)(f"/api/v1/{path}", headers=named, **given)


def api_of(role: str | None) -> ApiClient:
    """A client with a token of this role, used a moment ago, so that its use is not written now."""
    token = ApiTokenFactory(role=role, last_used_at=timezone.now())
    return ApiClient(headers={"Authorization": f"Bearer {token.text}"})
