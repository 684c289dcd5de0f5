"""Erasing people of whom nothing is left: their rows stay as a mark, so that feeds can name them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cdp.rules.scope import Scope
from profiles.followers import all_followers
from profiles.identity.feed import write_erased
from profiles.models import Profile


def erase_empty(profile_ids: Sequence[int], *, now: datetime) -> list[int]:
    """Erase those of the profiles that have no identifier any more; returns their ids.

    Under the identity lock and the locks of the profiles. Writes feeds: nothing may lock anything after it in the
    transaction. Profiles that were merged into one of them go with it.
    """
    empty = list(
        Profile.objects.current()
        .filter(Scope(profile_ids).on("pk"), identifiers__isnull=True)
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    if not empty:
        return []
    gone = empty + list(Profile.objects.filter(Scope(empty).on("merged_into_id")).values_list("pk", flat=True))
    Profile.objects.filter(Scope(gone).on("pk")).update(attributes={}, erased_at=now)
    for follower in all_followers():
        follower.erase(gone, now=now)
    write_erased(empty, now=now)
    return empty
