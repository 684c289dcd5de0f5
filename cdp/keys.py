"""Keys that we make: of tags, segments, schemes, campaigns, sources."""

# The API serves paths of these names beside the things' own.
RESERVED_KEYS = frozenset({"preview", "merge", "lookup", "changes", "schema"})
