"""Who is whom, decided by hand: merging, taking apart, and what keeps people apart."""

from profiles.services.identity.merge import merge_profiles

__all__ = ["merge_profiles"]
