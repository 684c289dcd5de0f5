"""The feed of who became whom, for webhooks and the API. profiles/identity/feed.py writes it."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from cdp.feeds import Feed, register_feed
from profiles.models import IdentityChange


def identity_changes() -> QuerySet[IdentityChange, Any]:
    """Merges, splits and erasures, as plain rows."""
    return IdentityChange.objects.values("id", "profile", "change", "into", "at")


IDENTITY = register_feed(
    Feed(
        key="profiles",
        name=_("Profiles: who was merged, split or erased"),
        model=IdentityChange,
        rows=identity_changes,
        show=dict,
        permission="profiles.view_identitychange",
        has_causes=False,
    )
)
