"""Identifiers of other systems."""

from django.utils.translation import gettext_lazy as _

from profiles.identity.normalise import normaliser


@normaliser("text", _("Text: as written"))
def text(value: str, region: str) -> str | None:
    """As written: case may matter in the ids of other systems."""
    return value
