"""What every test may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.cache import caches
from django.db import connection
from django.utils import translation
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from playwright.sync_api import Browser, expect, sync_playwright
from pytest_django import DjangoDbBlocker
from pytest_django.fixtures import Settings

from cdp import lanes, throttle
from cdp.webhooks import send as sending
from profiles import cards
from profiles.admin import quality
from profiles.api.write_keys import forget_sources
from profiles.services import in_time, kinds
from profiles.services.identity import preview
from tests.needs import needed_program

CHROMIUM = "/usr/bin/chromium"
PATIENCE_MS = 120_000  # for whatever must come in a browser, of a machine that does other things too

# No test asserts a time; all else is as Hypothesis has it, which is other where it sees that it runs in CI.
hypothesis_settings.register_profile(
    "strata", hypothesis_settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("strata")


@pytest.fixture
def now() -> datetime:
    """Noon of Monday, 15 June 2026 in Shanghai, the business zone: 04:00 in UTC."""
    return datetime(2026, 6, 15, 4, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _own_files(settings: Settings, tmp_path: Path) -> None:
    """Each test writes into a folder of its own; static files come from where they lie."""
    settings.OUTBOX_DIR = tmp_path / "outbox"
    settings.UPLOAD_DIR = tmp_path / "uploads"
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {**settings.STORAGES["default"], "OPTIONS": {"location": tmp_path / "files"}},
    }
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)


@pytest.fixture(autouse=True)
def _own_language(settings: Settings) -> Iterator[None]:
    """English, the language of the message ids, unless a test or its request asks for another; none leaks."""
    settings.LANGUAGE_CODE = "en"
    with translation.override("en"):
        yield


@pytest.fixture(autouse=True)
def _own_sources() -> None:
    """No test knows the sources of the one before by their write keys."""
    forget_sources()


@pytest.fixture(autouse=True, scope="session")
def _own_cache() -> None:
    """An empty cache for each process of each test run, on the one server."""
    caches.settings["default"]["KEY_PREFIX"] = f"test-{uuid4()}"


@pytest.fixture(autouse=True, scope="session")
def _own_patience() -> None:
    """A machine that does other things too is slow, and no test may fail for that: what people wait for may take
    longer, and the cache's server is not away because it took a quarter of a second to answer.
    """
    throttle.ANSWER_SECONDS = PATIENCE_MS / 1000
    throttle.server.cache_clear()
    in_time.COUNT_SECONDS = lanes.SLICE_SECONDS = sending.SLICE_SECONDS = 60
    cards.COUNT_TIMEOUT = kinds.COUNT_TIMEOUT = quality.ROWS_TIMEOUT = preview.STATEMENT_TIMEOUT = "60s"


@pytest.fixture(autouse=True)
def _no_events_left(request: pytest.FixtureRequest, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The flush after a test with real transactions passes by the table of events, which Django does not manage."""
    yield
    marker = request.node.get_closest_marker("django_db")
    if "transactional_db" in request.fixturenames or (marker and marker.kwargs.get("transaction")):
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute("TRUNCATE profiles_event")


@pytest.fixture(scope="session")
def chromium(django_db_setup: None) -> Iterator[Browser]:
    """One Chromium for all tests of a process."""
    program = needed_program(CHROMIUM, package="chromium", required_by="REQUIRE_BROWSER")
    # Playwright's synchronous API runs an event loop in this thread, where Django's ORM suspects asynchronous code.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    expect.set_options(timeout=PATIENCE_MS)
    shipped: Any = connection._test_serialized_contents  # type: ignore[attr-defined]
    with sync_playwright() as playwright:
        # Beside a loop Django opens another connection, which must know as well what to restore after a test.
        connection._test_serialized_contents = shipped  # type: ignore[attr-defined]
        # Chromium refuses its sandbox as root, as whom CI runs.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"], timeout=PATIENCE_MS)
        yield browser
        browser.close()
