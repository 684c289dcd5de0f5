"""How consents follow a merge."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from profiles.followers import Follower, Merged, move_rows, register_follower
from profiles.models import Consent


@register_follower
class ConsentFollower(Follower):
    """Both histories become one; `profiles/identity/consents.py` adds the words by which the stricter wins."""

    model = Consent

    def merge(self, merged: Sequence[Merged], *, now: datetime) -> None:
        move_rows(Consent, merged)
