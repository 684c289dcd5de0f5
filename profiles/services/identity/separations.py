"""What keeps people apart, and lifting it."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from cdp.locks import advisory_lock
from cdp.models import User
from profiles.models import ProfileSplit, Separation


@transaction.atomic
def lift_separation(separation: Separation, *, user: User | None, now: datetime) -> int:
    """Let links and merges bring two identifiers into one profile again; returns how many were lifted, 0 if it was."""
    advisory_lock("identity")
    return Separation.objects.in_force().filter(pk=separation.pk).update(lifted_at=now, lifted_by=user)


@transaction.atomic
def lift_separations_of(split: ProfileSplit, *, user: User | None, now: datetime) -> int:
    """Lift all that a split wrote and that is in force still; returns how many."""
    advisory_lock("identity")
    return Separation.objects.in_force().filter(split=split).update(lifted_at=now, lifted_by=user)
