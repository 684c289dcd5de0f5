"""Real servers between which and their clients things go wrong, and a website that holds the browsers' SDKs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from benchmarks.processes import Processes, running_processes
from cdp.servers.ports import HOST
from tests.sdks.line import Line, line_to
from tests.sdks.packages import installed_sdks

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
        processes.environment["PUBLIC_URL"] = line.url
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


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def website(node_modules: Path, server: Server, tmp_path: Path) -> Iterator[str]:
    """The address of a website of another origin than the server's, whose pages load an SDK for the key WK."""
    for page in PROGRAMS.glob("*.html"):
        text = page.read_text().replace("WRITE_KEY", "WK").replace("SERVER", server.line.url)
        (tmp_path / page.name).write_text(text)
    (tmp_path / "sdks").symlink_to(node_modules)
    with ThreadingHTTPServer((HOST, 0), partial(_Quiet, directory=str(tmp_path))) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        yield f"http://{HOST}:{site.server_port}"
        site.shutdown()
