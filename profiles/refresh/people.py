"""The profiles that a judgement or a hand is laid on: resolved, and locked in one order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db import transaction

from cdp.rules.scope import Scope
from profiles.models import Profile


def survivors_of(profile_ids: Iterable[int]) -> dict[int, int]:
    """Who each profile is now: itself, or whom it was merged into. Ids of nobody are left out."""
    found = Profile.objects.filter(Scope(list(profile_ids)).on("pk")).values_list("pk", "merged_into")
    return {pk: survivor or pk for pk, survivor in found}


def lock_profiles(profile_ids: Sequence[int]) -> list[int]:
    """Lock those of the profiles that stand for a person now, in the order of id; returns their ids.

    Whoever merges or judges them waits; inserts of rows that point at them do not.
    """
    return list(
        Profile.objects.current()
        .filter(Scope(profile_ids).on("pk"))
        .order_by("pk")
        .select_for_update(no_key=True)
        .values_list("pk", flat=True)
    )


def lock_survivors(profile_ids: Iterable[int]) -> dict[int, int]:
    """Who each profile is now, all of these people locked; ids of nobody and of those erased are left out.

    Inside a transaction. Who is merged between looking and locking is looked up again, with the locks let go that were
    taken meanwhile: one by one they would not be in the order of id.
    """
    named = set(profile_ids)
    while True:
        tried = transaction.savepoint()
        current = survivors_of(named)
        people = sorted(set(current.values()))
        locked = set(lock_profiles(people))
        elsewhere = [person for person in people if person not in locked]
        if not elsewhere or not Profile.objects.filter(pk__in=elsewhere, erased_at__isnull=True).exists():
            transaction.savepoint_commit(tried)
            return {pk: person for pk, person in current.items() if person in locked}
        transaction.savepoint_rollback(tried)
