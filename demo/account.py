"""The demo's login and API token: made at random once, kept in the data folder for its owner alone."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from cdp.models import ApiToken, User
from cdp.roles import OPERATOR
from cdp.tokens import issue_token

USERNAME = "admin"
TOKEN_NAME = "demo"  # noqa: S105 - a name


@dataclass(frozen=True)
class Account:
    """`password` is "" where somebody else made the user or set another: it is not ours to know."""

    username: str
    password: str
    token: str


def demo_account(path: Path) -> Account:
    """The account of the file, made where it or its rows are missing."""
    kept = Account(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None
    account = Account(USERNAME, _password(kept), _token(kept))
    if account != kept:
        _keep(path, account)
    return account


def _password(kept: Account | None) -> str:
    user = User.objects.filter(username=USERNAME).first()
    if user is None:
        password = kept.password if kept and kept.password else secrets.token_urlsafe(12)
        User.objects.create_superuser(USERNAME, email=None, password=password)
        return password
    return kept.password if kept and user.check_password(kept.password) else ""


def _token(kept: Account | None) -> str:
    if kept and ApiToken.objects.filter(digest=ApiToken.digest_of(kept.token)).exists():
        return kept.token
    User.objects.filter(username=f"token:{TOKEN_NAME}").delete()  # one whose text was lost is of no use
    _row, text = issue_token(TOKEN_NAME, role=OPERATOR)
    return text


def _keep(path: Path, account: Account) -> None:
    """Whole and readable by the owner alone, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(asdict(account), file, indent=2)
    temporary.replace(path)
