"""What to call a person."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext

from profiles.masking import MASK, mask_attributes
from profiles.models import Profile


def display_name(profile: Profile, user: Any, *, has_id: bool = True) -> str:
    """The person's name as this user may see it; where there is none or it is masked, with the start of their id, but
    for who has none yet.
    """
    attributes = mask_attributes(profile.attributes, user)
    names = [attributes.get(key) for key in ("name", "first_name", "last_name")]
    name = str(names[0] or " ".join(str(part) for part in names[1:] if part))
    if not has_id:
        return MASK if MASK in name else name or gettext("Without a name")
    short_id = str(profile.public_id)[:8]
    if MASK in name:
        return f"{MASK} {short_id}"
    return name or gettext("Without a name, %(id)s") % {"id": short_id}


def id_beside(name: str, profile: Profile) -> str:
    """The start of the person's id, to be shown beside their name; "" where the name says it already."""
    short_id = str(profile.public_id)[:8]
    return "" if short_id in name else short_id
