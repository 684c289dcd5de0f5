"""The compose file against the settings and plain servers. No Docker engine runs here, so the image is not built."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from cdp.servers.child import Child
from cdp.servers.data_dir import BASE_DIR
from cdp.servers.ports import free_port
from cdp.servers.stack import is_healthy
from tests.plain_servers import PlainServers, running_plain_servers
from tests.stacks import SITE_PORTS, wait_for

COMPOSE: dict[str, Any] = yaml.safe_load((BASE_DIR / "docker-compose.yml").read_text())
APP_SERVICES = {name: service for name, service in COMPOSE["services"].items() if service["image"] == "strata"}
SECRETS = {"SECRET_KEY", "POSTGRES_PASSWORD", "BROKER_PASSWORD"}
INTERPOLATION = re.compile(r"\$\{(\w+)(?::\?([^}]+)|[^}]*)\}")


def variables_of_settings() -> set[str]:
    """The names that `cdp/settings.py` reads."""
    source = (BASE_DIR / "cdp" / "settings.py").read_text()
    return {"DATA_DIR", *re.findall(r"(?:env\.\w+|required)\(\s*\"(\w+)\"", source)}


def test_settings_read_every_variable_that_the_app_services_set():
    for name, service in APP_SERVICES.items():
        assert set(service["environment"]) <= variables_of_settings(), name


def test_the_app_services_get_every_variable_but_those_of_the_image():
    """Named without a value, a variable passes as it is in `.env` or the shell, and not at all where it is missing."""
    image = (BASE_DIR / "Dockerfile").read_text().rpartition("\nENV ")[2].partition("\nUSER")[0]
    of_the_image = set(re.findall(r"(\w+)=", image))

    for name, service in APP_SERVICES.items():
        assert service["environment"].keys() == variables_of_settings() - of_the_image - {"PORT"}, name


def test_every_interpolated_variable_is_required_with_a_message():
    found = dict(INTERPOLATION.findall((BASE_DIR / "docker-compose.yml").read_text()))

    assert found.keys() >= SECRETS
    assert all(message.startswith(f"set {name}, ") for name, message in found.items())


def test_readme_tells_of_every_variable():
    documented = set(re.findall(r"^\| `(\w+)` \|", (BASE_DIR / "README.md").read_text(), flags=re.M))

    assert variables_of_settings() - documented == set()


def test_every_lasting_service_has_a_health_check():
    assert {name for name, service in COMPOSE["services"].items() if "healthcheck" not in service} == {"migrate"}


@pytest.fixture(scope="module")
def plain_servers(tmp_path_factory):
    with running_plain_servers(tmp_path_factory.mktemp("plain")) as servers:
        yield servers


@pytest.mark.servers
def test_services_run_on_plain_servers(plain_servers, tmp_path):
    """Also says that the migrations pass on PostgreSQL 15, by a role that is no superuser."""
    port = free_port(SITE_PORTS)
    environments = {name: environment_of(name, plain_servers, tmp_path, port) for name in APP_SERVICES}
    lasting = [name for name in APP_SERVICES if name != "migrate"]

    migrated = subprocess.run(
        APP_SERVICES["migrate"]["command"], cwd=BASE_DIR, env=environments["migrate"], capture_output=True, text=True
    )
    assert migrated.returncode == 0, migrated.stderr
    children = {
        name: Child(APP_SERVICES[name]["command"], log=tmp_path / f"{name}.log", env=environments[name], cwd=BASE_DIR)
        for name in lasting
    }
    try:
        wait_for(lambda: is_healthy(port), "web")
        for name in lasting:
            wait_for(lambda name=name: answers_health_check(name, environments[name]), f"the health check of {name}")
        assert [children[name].exit_code() for name in lasting] == [None, None, None]
    finally:
        for child in children.values():
            child.ask_to_stop()
        for child in children.values():
            child.stop(20)


@pytest.mark.servers
def test_unfit_database_is_refused_with_the_way_out(plain_servers, tmp_path):
    address = f"127.0.0.1:{plain_servers.database_port}"
    environment = environment_of("migrate", plain_servers, tmp_path, free_port(SITE_PORTS))
    wrong = {
        f"postgres://strata:{plain_servers.password}@{address}/nowhere": 'database "nowhere" does not exist',
        f"postgres://strata:wrong@{address}/strata": "password authentication failed",
        f"postgres://strata:{plain_servers.password}@127.0.0.1:1/strata": "Connection refused",
    }
    for url, reason in wrong.items():
        refused = subprocess.run(
            [sys.executable, "manage.py", "up"],
            cwd=BASE_DIR,
            env=environment | {"DATABASE_URL": url},
            capture_output=True,
            text=True,
        )

        assert refused.returncode == 1
        assert reason in refused.stderr
        assert refused.stderr.startswith("strata: The database does not answer: ")
        assert refused.stderr.endswith("Check DATABASE_URL, and that the server runs.\n")
        assert refused.stderr.count("\n") == 1


def environment_of(name: str, servers: PlainServers, data_dir: Path, port: int) -> dict[str, str]:
    """What compose would give the service, with the servers' places in it, and the image's variables."""
    values = {
        "SECRET_KEY": "k" * 64,
        "POSTGRES_PASSWORD": servers.password,
        "BROKER_PASSWORD": servers.password,
        "PUBLIC_URL": "https://strata.example.com",
        "DEFAULT_FROM_EMAIL": "Strata <strata@example.com>",
    }
    environment = {
        key: INTERPOLATION.sub(lambda match: values[match[1]], value)
        .replace("@database:5432", f"@127.0.0.1:{servers.database_port}")
        .replace("@broker:6379", f"@127.0.0.1:{servers.broker_port}")
        for key, value in APP_SERVICES[name]["environment"].items()
        if value is not None
    }
    return environment | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "DATA_DIR": str(data_dir),
        "PORT": str(port),
        "GRANIAN_HOST": "127.0.0.1",
        "GRANIAN_PORT": str(port),
    }


def answers_health_check(name: str, environment: dict[str, str]) -> bool:
    """Run the service's own health check beside it."""
    kind, *words = APP_SERVICES[name]["healthcheck"]["test"]
    command = words if kind == "CMD" else ["sh", "-c", words[0].replace("$$", "$")]
    return subprocess.run(command, cwd=BASE_DIR, env=environment, capture_output=True).returncode == 0
