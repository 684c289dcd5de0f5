"""E-mail addresses."""

import re
from functools import lru_cache

from django.utils.translation import gettext_lazy as _
from email_validator import EmailNotValidError, validate_email

from profiles.identity.normalise import normaliser

# Addresses as nearly everybody writes them; what can be wrong with such a one is its domain.
PLAIN = re.compile(r"([a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*)@([a-z0-9.-]+)", re.ASCII)
MAX_PLAIN_LENGTH = 64  # of the part before the @ there may be so much


@normaliser("email", _("E-mail address: in lower case"))
def email(value: str, region: str) -> str | None:
    """Lower case, domain in Unicode; no look at the DNS."""
    match = PLAIN.fullmatch(value.lower()) if value.isascii() and len(value) <= MAX_PLAIN_LENGTH else None
    if match is None:
        return validated(value)
    local, domain = match.groups()
    spelt = spell_domain(domain)
    return f"{local}@{spelt}" if spelt else None


@lru_cache(maxsize=100_000)
def spell_domain(domain: str) -> str | None:
    """The domain in Unicode, None where there can be none; to check each address takes 40 µs, and to look this up 1."""
    found = validated(f"a@{domain}")
    return found.removeprefix("a@") if found else None


def validated(value: str) -> str | None:
    try:
        return validate_email(value, check_deliverability=False).normalized.lower()
    except EmailNotValidError:
        return None
