"""What may be done to tags and scores."""

from tags.services.assign import Assigned, Unassigned, assign_tag, unassign_tag
from tags.services.score import compute_scores
from tags.services.tag import delete_tag, move_tag, restore_tag_rules, save_tag

__all__ = [
    "Assigned",
    "Unassigned",
    "assign_tag",
    "compute_scores",
    "delete_tag",
    "move_tag",
    "restore_tag_rules",
    "save_tag",
    "unassign_tag",
]
