"""Member cards."""

import re

from profiles.identity.normalise import normaliser


@normaliser("card")
def card(value: str, region: str) -> str | None:
    """Capitals and digits; the spaces and dashes that people read cards in are dropped."""
    return re.sub(r"[\s.\-_/]", "", value).upper()
