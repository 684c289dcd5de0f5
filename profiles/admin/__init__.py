"""The pages of who: the list of profiles, a person's page, and the data that they come from."""

from profiles.admin import data, identity, kinds, profile

__all__ = ["data", "identity", "kinds", "profile"]
