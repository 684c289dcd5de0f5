"""Tables of who: each file holds one idea, and this module is their front."""

from profiles.models.change import IdentityChange, Lane, ProfileChange
from profiles.models.consent import Consent
from profiles.models.contribution import Contribution
from profiles.models.definition import AttributeDefinition, AttributeType, EventDefinition, Survivorship
from profiles.models.duplicate import DuplicateSuggestion
from profiles.models.event import Event
from profiles.models.holder import HolderClock
from profiles.models.identity import (
    Identifier,
    IdentifierKind,
    IdentityConflict,
    IdentityLink,
    ProfileMerge,
)
from profiles.models.imports import Import, ImportedFile, ImportMapping
from profiles.models.inbox import InboxMessage, MessageKey, RejectedMessage
from profiles.models.inheritance import Inheritance
from profiles.models.moment import ProfileMoment
from profiles.models.profile import LastSight, Profile
from profiles.models.quality import EventDay, KindDay, Violation
from profiles.models.source import Handling, Source, SourceDay
from profiles.models.split import ProfileSplit, Separation

__all__ = [
    "AttributeDefinition",
    "AttributeType",
    "Consent",
    "Contribution",
    "DuplicateSuggestion",
    "Event",
    "EventDay",
    "EventDefinition",
    "Handling",
    "HolderClock",
    "Identifier",
    "IdentifierKind",
    "IdentityChange",
    "IdentityConflict",
    "IdentityLink",
    "Import",
    "ImportMapping",
    "ImportedFile",
    "InboxMessage",
    "Inheritance",
    "KindDay",
    "Lane",
    "LastSight",
    "MessageKey",
    "Profile",
    "ProfileChange",
    "ProfileMerge",
    "ProfileMoment",
    "ProfileSplit",
    "RejectedMessage",
    "Separation",
    "Source",
    "SourceDay",
    "Survivorship",
    "Violation",
]
