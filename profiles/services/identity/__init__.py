"""Who is whom, decided by hand: merging, taking apart, and what keeps people apart."""

from profiles.services.identity.merge import merge_profiles
from profiles.services.identity.separations import lift_separation, lift_separations
from profiles.services.identity.split import SplitPreview, preview_split, preview_undo, split_profile, undo_merge

__all__ = [
    "SplitPreview",
    "lift_separation",
    "lift_separations",
    "merge_profiles",
    "preview_split",
    "preview_undo",
    "split_profile",
    "undo_merge",
]
