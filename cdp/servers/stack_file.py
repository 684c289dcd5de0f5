"""`stack.env`: the ports, passwords and secret key of one embedded stack, made by chance and kept in its data folder.

Settings read it below the environment, so every `manage.py` command finds the servers of its data folder.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cdp.servers.ports import HOST, free_port

NAME = "stack.env"


def read_stack_file(data_dir: Path) -> dict[str, str]:
    """The variables kept in this data folder; empty where no embedded stack was ever made."""
    try:
        text = (data_dir / NAME).read_text()
    except FileNotFoundError:
        return {}
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


@dataclass(frozen=True)
class StackFile:
    """The variables of one embedded stack."""

    secret_key: str
    database_url: str
    broker_url: str

    @classmethod
    def load(cls, data_dir: Path) -> StackFile | None:
        """The kept one; None if there is none, or if a crash left it incomplete."""
        values = read_stack_file(data_dir)
        try:
            return cls(values["SECRET_KEY"], values["DATABASE_URL"], values["BROKER_URL"])
        except KeyError:
            return None

    @classmethod
    def make(cls) -> StackFile:
        """A new one with free ports, 256-bit passwords and a secret key."""
        database_port = free_port()
        broker_port = free_port(besides=[database_port])
        return cls(
            secret_key=secrets.token_urlsafe(48),
            database_url=f"postgres://strata:{secrets.token_urlsafe(32)}@{HOST}:{database_port}/strata",
            broker_url=f"redis://:{secrets.token_urlsafe(32)}@{HOST}:{broker_port}/0",
        )

    def save(self, data_dir: Path) -> None:
        """Write it at once or not at all, readable by its owner only."""
        draft = data_dir / f"{NAME}.draft"
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.writelines(f"{name}={value}\n" for name, value in self.variables().items())
        draft.replace(data_dir / NAME)

    def variables(self) -> dict[str, str]:
        """As the settings name them."""
        return {
            "SECRET_KEY": self.secret_key,
            "DATABASE_URL": self.database_url,
            "BROKER_URL": self.broker_url,
        }


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None, "our own URLs name their port"
    return port


def password_of(url: str) -> str:
    return urlsplit(url).password or ""


def with_port(url: str, port: int) -> str:
    """The same server on another port."""
    return url.replace(f":{port_of(url)}/", f":{port}/")
