"""The feed of who became whom, for webhooks and the API. profiles/identity/feed.py writes it."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from cdp.feeds import Feed, register_feed
from profiles.models import IdentityChange

IDENTITY = register_feed(
    Feed(
        key="profiles",
        label=_("Profiles"),
        name=_("Profiles: who was merged, split or erased"),
        model=IdentityChange,
        columns=("change", "into"),
        permission="profiles.view_identitychange",
        profile="profile",
        has_causes=False,
    )
)
