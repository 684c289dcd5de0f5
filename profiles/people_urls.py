"""Addresses of the list of people: what every number that is counted elsewhere opens."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.core import signing
from django.urls import reverse

SALT = "profiles.people_by_rule"
PARAMETER = "rule"
MAX_ADDRESS = 6_000  # characters that every proxy lets through


def people_url(rule: Any) -> str:
    """The list of those for whom the rule holds; "" where the rule is too long for an address."""
    signed = signing.dumps(rule, salt=SALT, compress=True)
    page = reverse("admin:profiles_profile_changelist")
    return f"{page}?{urlencode({PARAMETER: signed})}" if len(signed) <= MAX_ADDRESS else ""
