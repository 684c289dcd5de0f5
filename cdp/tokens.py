"""Issue the bearer tokens of the API. The admin and `manage.py create_token` both call this."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import Group
from django.db import transaction

from cdp.models import ApiToken, User
from cdp.roles import ROLE_NAMES


def issue_token(name: str, *, role: str, expires_at: datetime | None = None) -> tuple[ApiToken, str]:
    """Make a token and its service account `token:<name>` in one role; the text is returned here and never again.

    Raises ValueError where the role is unknown or the name is taken.
    """
    if role not in ROLE_NAMES:
        raise ValueError(f"unknown role {role!r}; known: {', '.join(ROLE_NAMES)}")
    if ApiToken.objects.filter(name=name).exists():
        raise ValueError(f"a token named {name!r} exists")
    text = ApiToken.generate()
    with transaction.atomic():
        account = User.objects.create_user(username=f"token:{name}")
        account.groups.set([Group.objects.get(name=role)])
        token = ApiToken.objects.create(name=name, user=account, digest=ApiToken.digest_of(text), expires_at=expires_at)
    return token, text
