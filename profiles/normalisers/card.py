"""Member cards."""

import re

from django.utils.translation import gettext_lazy as _

from profiles.identity.normalise import normaliser


@normaliser("card", _("Card number: capitals, without spaces and dashes"))
def card(value: str, region: str) -> str | None:
    """Capitals and digits; the spaces and dashes that people read cards in are dropped."""
    return re.sub(r"[\s.\-_/]", "", value).upper()
