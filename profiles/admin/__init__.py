"""The pages of who: the list of profiles, a person's page, and the data that they come from."""

from profiles.admin import (
    conflicts,
    data,
    definitions,
    duplicates,
    export,
    identity,
    imports,
    kinds,
    profile,
    quality,
    rejected,
    separations,
)

__all__ = [
    "conflicts",
    "data",
    "definitions",
    "duplicates",
    "export",
    "identity",
    "imports",
    "kinds",
    "profile",
    "quality",
    "rejected",
    "separations",
]
