"""A real browser (Debian's Chromium) against a real server; a test in which the page logs an error fails."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright
from pytest_django.live_server_helper import LiveServer

from tests.needs import needed_program

CHROMIUM = "/usr/bin/chromium"


@pytest.fixture(scope="session")
def chromium(django_db_setup: None) -> Iterator[Browser]:
    """One Chromium for all tests of a process."""
    program = needed_program(CHROMIUM, package="chromium", required_by="REQUIRE_BROWSER")
    # Playwright's synchronous API runs an event loop in this thread, where Django's ORM suspects asynchronous code.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    shipped: Any = connection._test_serialized_contents  # type: ignore[attr-defined]
    with sync_playwright() as playwright:
        # Beside a loop Django opens another connection, which must know as well what to restore after a test.
        connection._test_serialized_contents = shipped  # type: ignore[attr-defined]
        # Chromium refuses its sandbox as root, as whom CI runs.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


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
    page = context.new_page()
    page.on("console", note)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    yield page
    context.close()
    assert troubles == []
