"""Identifiers of other systems."""

from profiles.identity.normalise import normaliser


@normaliser("text")
def text(value: str, region: str) -> str | None:
    """As written: case may matter in the ids of other systems."""
    return value
