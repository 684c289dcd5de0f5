"""What people decide about conflicts: that nothing is to be done, that it is looked at again, or whose it is."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from cdp.locks import advisory_lock
from cdp.models import User
from profiles.identity.errors import IdentityError
from profiles.models import Identifier, IdentityConflict, Profile
from profiles.services.identity.merge import merge_profiles
from profiles.services.identity.split import lock_whole, split_profile

MAX_NOTE = 500


def dismiss_conflict(conflict: IdentityConflict, *, note: str, user: User | None, now: datetime) -> None:
    """Nothing is to be done: messages that name the two again are counted and asked about no more."""
    decide(conflict, IdentityConflict.State.DISMISSED, note=note, user=user, now=now)


def reopen_conflict(conflict: IdentityConflict, *, user: User | None, now: datetime) -> None:
    """It is to be looked at again; the note stays."""
    decide(conflict, IdentityConflict.State.OPEN, note=conflict.note, user=user, now=now)


def settle_by_merge(conflict: IdentityConflict, *, user: User | None, now: datetime) -> Profile:
    """The two are one person: merge them. Returns the survivor.

    Raises:
        IdentityError: they are one already, or a limit or a separation forbids it; nothing is changed then.
    """
    with transaction.atomic():
        both = {conflict.anchor.profile_id, conflict.left_out.profile_id}
        if len(both) == 1:
            raise IdentityError(_("These are one person already."))
        survivor = merge_profiles(both, user=user, now=now)
        decide(conflict, IdentityConflict.State.SETTLED, note=conflict.note, user=user, now=now)
    return survivor


def settle_by_move(conflict: IdentityConflict, *, user: User | None, now: datetime) -> Profile:
    """The identifier that was left out is of the other person: move it there. Returns that person.

    Raises:
        IdentityError: both are with one person already, or a limit or a separation forbids it; nothing is changed then.
    """
    with transaction.atomic():
        advisory_lock("identity")
        identifier = Identifier.objects.select_related("profile").get(pk=conflict.left_out_id)
        anchor = Identifier.objects.get(pk=conflict.anchor_id)
        moved = identifier.profile
        if anchor.profile_id == moved.pk:
            raise IdentityError(_("These are one person already."))
        lock_whole([anchor.profile_id, moved.pk])  # the split writes feeds, after which nothing may be locked
        if Identifier.objects.filter(profile=moved).exclude(pk=identifier.pk).exists():
            moved = split_profile(moved, [identifier], user=user, now=now)
        person = merge_profiles([anchor.profile_id, moved.pk], user=user, now=now, into=anchor.profile_id)
        decide(conflict, IdentityConflict.State.SETTLED, note=conflict.note, user=user, now=now)
    return person


def decide(
    conflict: IdentityConflict, state: IdentityConflict.State, *, note: str, user: User | None, now: datetime
) -> None:
    """Write a decision down; only of an open conflict, or one that was decided otherwise.

    Raises:
        IdentityError: it stands so already.
    """
    decided = IdentityConflict.objects.filter(pk=conflict.pk).exclude(state=state)
    if not decided.update(state=state, note=note[:MAX_NOTE], settled_by=user, settled_at=now):
        raise IdentityError(_("This conflict is in that state already."))
    conflict.refresh_from_db()
