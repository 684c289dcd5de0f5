"""A browser without a screen, signed in to the admin."""

from __future__ import annotations

from django.test import Client

from tests.factories.cdp import UserFactory


def sign_in(role: str | None = None, *, language: str = "en", **user: object) -> Client:
    """A client of a new user in `role` (`is_superuser=True` for everything); pages come in `language`."""
    client = Client(headers={"accept-language": language})
    client.force_login(UserFactory(role=role, **user))
    return client
