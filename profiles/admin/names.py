"""What to call a person."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext

from profiles.masking import mask_attributes
from profiles.models import Profile


def display_name(profile: Profile, user: Any) -> str:
    """The person's name as this user may see it, or words that stand for it."""
    attributes = mask_attributes(profile.attributes, user)
    name = attributes.get("name") or " ".join(
        str(attributes[part]) for part in ("first_name", "last_name") if attributes.get(part)
    )
    return str(name) if name else gettext("Without a name, %(id)s") % {"id": str(profile.public_id)[:8]}
