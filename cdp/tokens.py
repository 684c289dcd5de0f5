"""Issue and revoke the bearer tokens of the API, for the admin and `manage.py create_token`."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import Group
from django.db import transaction

from cdp.audit import has_entries
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


def revoke_token(token: ApiToken) -> None:
    """Delete a token, and with it its service account; one that the audit names stays, switched off."""
    account = token.user
    with transaction.atomic():
        if not has_entries(account):
            account.delete()
            return
        token.delete()
        account.is_active = False
        account.username = f"{account.username[:130]} #{account.pk}"  # the name is free for the next token
        account.save(update_fields=["is_active", "username"])
