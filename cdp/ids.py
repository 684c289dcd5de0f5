"""Ids that come from outside as text."""

from __future__ import annotations


def is_id(text: str) -> bool:
    """Whether it is a whole number, in ASCII digits, that PostgreSQL's bigint holds."""
    return text.isascii() and text.isdecimal() and len(text) < 19
