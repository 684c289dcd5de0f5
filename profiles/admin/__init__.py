"""The pages of who: the list of profiles, a person's page, and the data that they come from."""

from profiles.admin import conflicts, data, duplicates, identity, kinds, profile

__all__ = ["conflicts", "data", "duplicates", "identity", "kinds", "profile"]
