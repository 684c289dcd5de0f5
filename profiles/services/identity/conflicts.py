"""What people decide about conflicts: that nothing is to be done, that it is looked at again, or whose it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import datetime

from django.db import transaction
from django.db.models import Count, QuerySet
from django.utils.translation import gettext as _

from cdp.audit import write_change, write_changes
from cdp.locks import advisory_lock
from cdp.models import User
from profiles.identity.errors import IdentityError
from profiles.models import Identifier, IdentityConflict, Profile
from profiles.services.identity.merge import merge_profiles
from profiles.services.identity.split import lock_whole, split_profile

MAX_NOTE = 500
MAX_DISMISSED = 10_000  # in one call; some seconds
AT_ONCE = 1_000  # under the identity lock
State = IdentityConflict.State


def dismiss_conflict(conflict: IdentityConflict, *, note: str, user: User | None, now: datetime) -> None:
    """Nothing is to be done: messages that name the two again are counted and asked about no more."""
    decide(conflict, IdentityConflict.State.DISMISSED, note=note, user=user, now=now)


def dismiss_conflicts(
    conflicts: QuerySet[IdentityConflict], *, note: str, user: User | None, now: datetime, limit: int = MAX_DISMISSED
) -> int:
    """Nothing is to be done about those of `conflicts` that are open, the oldest first, up to `limit`; returns how many
    that were. What was decided before stays as it was.
    """
    n_dismissed = 0
    while n := dismiss_some(conflicts, note=note, user=user, now=now, limit=min(AT_ONCE, limit - n_dismissed)):
        n_dismissed += n
    return n_dismissed


@transaction.atomic
def dismiss_some(
    conflicts: QuerySet[IdentityConflict], *, note: str, user: User | None, now: datetime, limit: int
) -> int:
    """The next ones, under the identity lock: messages that name the same two count them under it, in their order."""
    advisory_lock("identity")
    following = conflicts.filter(state=State.OPEN).order_by("pk").values_list("pk", flat=True)[:limit]
    still_open = IdentityConflict.objects.filter(pk__in=list(following), state=State.OPEN)
    chosen = list(still_open.order_by("pk").select_for_update())
    IdentityConflict.objects.filter(pk__in=[conflict.pk for conflict in chosen]).update(
        state=State.DISMISSED, note=note[:MAX_NOTE], settled_by=user, settled_at=now
    )
    if user is not None:
        write_changes(user, chosen, before={"state": State.OPEN.value}, after={"state": State.DISMISSED.value})
    return len(chosen)


def open_by_identifier(identifier_ids: Collection[int]) -> dict[int, int]:
    """How many open conflicts name each of these identifiers, on either side; two queries."""
    found: Counter[int] = Counter()
    for side in ("anchor_id", "left_out_id"):
        rows = IdentityConflict.objects.open().filter(**{f"{side}__in": list(identifier_ids)})
        found.update(dict(rows.values_list(side).annotate(n=Count("pk"))))
    return found


def reopen_conflict(conflict: IdentityConflict, *, user: User | None, now: datetime) -> None:
    """It is to be looked at again; the note stays.

    Raises:
        IdentityError: it is open, or gone, or nothing is left to decide since both are with one person.
    """
    with transaction.atomic():
        lock_both(conflict)
        decide(conflict, IdentityConflict.State.OPEN, note=conflict.note, user=user, now=now)


def settle_by_merge(conflict: IdentityConflict, *, user: User | None, now: datetime) -> Profile:
    """The two are one person: merge them. Returns the survivor.

    Raises:
        IdentityError: they are one already, one of them is gone, or a limit or a separation forbids it; nothing is
            changed then.
    """
    with transaction.atomic():
        anchor, left_out = lock_both(conflict)
        survivor = merge_profiles([anchor.profile_id, left_out.profile_id], user=user, now=now)
        decide(conflict, IdentityConflict.State.SETTLED, note=conflict.note, user=user, now=now)
    return survivor


def settle_by_move(conflict: IdentityConflict, *, user: User | None, now: datetime) -> Profile:
    """The identifier that was left out is of the other person: move it there. Returns that person.

    Raises:
        IdentityError: both are with one person already, one is gone, or a limit or a separation forbids it; nothing is
            changed then.
    """
    with transaction.atomic():
        anchor, identifier = lock_both(conflict)
        moved = identifier.profile
        lock_whole([anchor.profile_id, moved.pk])  # the split writes feeds, after which nothing may be locked
        if Identifier.objects.filter(profile=moved).exclude(pk=identifier.pk).exists():
            moved = split_profile(moved, [identifier], user=user, now=now)
        person = merge_profiles([anchor.profile_id, moved.pk], user=user, now=now, into=anchor.profile_id)
        decide(conflict, IdentityConflict.State.SETTLED, note=conflict.note, user=user, now=now)
    return person


def lock_both(conflict: IdentityConflict) -> tuple[Identifier, Identifier]:
    """Its two identifiers as they are now, and stay: under the identity lock. Raises IdentityError where they are with
    one person already, or one is gone.
    """
    advisory_lock("identity")
    wanted = [conflict.anchor_id, conflict.left_out_id]
    known = Identifier.objects.select_related("profile").in_bulk(wanted)
    if known.keys() != set(wanted):
        raise gone()
    anchor, left_out = (known[each] for each in wanted)
    if anchor.profile_id == left_out.profile_id:
        raise IdentityError(_("These are one person already."))
    return anchor, left_out


def gone() -> IdentityError:
    """To be raised where a conflict went with one of its identifiers."""
    return IdentityError(_("This conflict is there no more: one of its identifiers was deleted meanwhile."))


def decide(
    conflict: IdentityConflict, state: IdentityConflict.State, *, note: str, user: User | None, now: datetime
) -> None:
    """Write a decision down, of an open conflict; or open again one that was decided.

    Raises:
        IdentityError: it stands so already, was decided otherwise meanwhile, or is gone.
    """
    with transaction.atomic():
        stored = IdentityConflict.objects.select_for_update().filter(pk=conflict.pk).first()
        if stored is None:
            raise gone()
        if stored.state == state:
            raise IdentityError(_("This conflict is in that state already."))
        if State.OPEN not in (stored.state, state):
            message = _("This conflict was decided meanwhile: %(state)s. Open it again first.")
            raise IdentityError(message % {"state": stored.get_state_display()})
        IdentityConflict.objects.filter(pk=conflict.pk).update(
            state=state, note=note[:MAX_NOTE], settled_by=user, settled_at=now
        )
        if user is not None:
            write_change(user, stored, before={"state": stored.state}, after={"state": state.value})
        conflict.refresh_from_db()
