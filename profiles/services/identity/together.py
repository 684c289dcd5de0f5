"""Whether people may become one, asked without doing it."""

from __future__ import annotations

from collections.abc import Iterable

from cdp.disclosure import Viewer
from profiles.identity.errors import KeptApartError
from profiles.services.identity.merge import check_together


def why_apart(profile_ids: Iterable[int], *, viewer: Viewer) -> str:
    """The limits and separations that forbid a merge, as this user may read them; "" where nothing does."""
    try:
        check_together(set(profile_ids))
    except KeptApartError as error:
        return error.message_for(viewer)
    return ""
