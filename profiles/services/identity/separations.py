"""What keeps people apart, and lifting it."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from cdp.locks import advisory_lock
from cdp.models import User
from profiles.models import Separation
from profiles.models.split import SeparationQuerySet


def lift_separation(separation: Separation, *, user: User | None, now: datetime) -> int:
    """Let links and merges bring two identifiers into one profile again; returns how many were lifted, 0 if it was."""
    return lift_separations(Separation.objects.filter(pk=separation.pk), user=user, now=now)


@transaction.atomic
def lift_separations(found: SeparationQuerySet, *, user: User | None, now: datetime) -> int:
    """Lift those of the found that are in force still; returns how many."""
    advisory_lock("identity")
    return found.in_force().order_by().update(lifted_at=now, lifted_by=user)
