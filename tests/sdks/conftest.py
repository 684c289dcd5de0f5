"""Real servers between which and their clients things go wrong, and a website that holds the browsers' SDKs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import uuid4

import pytest

from benchmarks.processes import Processes, running_processes
from cdp.servers.data_dir import BASE_DIR
from cdp.servers.ports import HOST
from profiles.sdks import ADDRESS, KEY
from tests.sdks.line import Line, line_to
from tests.sdks.packages import folder_of_sdks, installed_sdks

PROGRAMS = Path(__file__).parent / "programs"


@dataclass(frozen=True)
class Server:
    """The web process as production starts it, on the test's database, and the line that leads to it."""

    processes: Processes
    line: Line

    def restart(self) -> None:
        """Kill the web process, and start it again without waiting until it serves."""
        self.processes.kill("web")
        self.processes.start("web")


@pytest.fixture(scope="session")
def serving(django_db_setup: None) -> Iterator[Server]:
    """One web process for all tests of a process."""
    with running_processes() as processes, line_to(processes.port) as line:
        umd = folder_of_sdks() / "node_modules/@segment/analytics-next/dist/umd"
        processes.environment |= {"PUBLIC_URL": line.url, "ANALYTICS_JS_DIR": str(umd)}
        processes.start("web")
        processes.wait_for_web()
        yield Server(processes, line)


@pytest.fixture
def server(serving: Server) -> Iterator[Server]:
    """The web process, on a line without trouble; whatever trouble a test asks for must come."""
    yield serving
    left = list(serving.line.troubles)
    serving.line.troubles.clear()
    assert left == []


@pytest.fixture(scope="session")
def node_modules() -> Path:
    return installed_sdks()


def snippet_page() -> str:
    """The snippet that the documentation shows, but for the page view that it begins with."""
    documented = (BASE_DIR / "docs" / "connecting.md").read_text()
    snippet = documented.partition("```html\n")[2].partition("```")[0]
    return snippet.replace(
        "    analytics.page();\n", "    window.make = (calls) => calls.forEach((call) => analytics.push(call));\n"
    )


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def write_key() -> str:
    """Of this test alone: the web process knows for some seconds whose a key was."""
    return uuid4().hex


@pytest.fixture
def website(node_modules: Path, server: Server, write_key: str, tmp_path: Path) -> Iterator[str]:
    """The address of a website of another origin than the server's, whose pages load an SDK."""
    pages = {page.stem: page.read_text() for page in PROGRAMS.glob("*.html")} | {"snippet": snippet_page()}
    for name, text in pages.items():
        (tmp_path / f"{name}.html").write_text(text.replace(KEY, write_key).replace(ADDRESS, server.line.url))
    (tmp_path / "sdks").symlink_to(node_modules)
    with ThreadingHTTPServer((HOST, 0), partial(_Quiet, directory=str(tmp_path))) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        yield f"http://{HOST}:{site.server_port}"
        site.shutdown()
