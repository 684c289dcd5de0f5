"""Profiles that may be one person: the search for them, and what people decide."""
