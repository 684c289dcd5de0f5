"""What may be done to tags."""

from tags.services.assign import Assigned, Unassigned, assign_tag, unassign_tag
from tags.services.tag import delete_tag, save_tag

__all__ = ["Assigned", "Unassigned", "assign_tag", "delete_tag", "save_tag", "unassign_tag"]
