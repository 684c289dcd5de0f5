"""A real browser (Debian's Chromium) against a real server; a test in which the page logs an error fails."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page
from pytest_django.live_server_helper import LiveServer

from tests.conftest import PATIENCE_MS


@pytest.fixture
def page(django_db_serialized_rollback: None, chromium: Browser, live_server: LiveServer) -> Iterator[Page]:
    """A page of its own profile, on which relative addresses lead to the server: `page.goto("/admin/")`.

    Fails the test when the browser's console shows an error, a script throws, or a file of the site does not load.
    """
    troubles: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":
            troubles.append(f"{message.text} ({message.location.get('url')})")

    context = chromium.new_context(base_url=live_server.url, locale="en-GB", viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.on("console", note)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    yield page
    context.close()
    assert troubles == []
