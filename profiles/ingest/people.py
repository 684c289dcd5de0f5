"""Locking people who may be merged or taken apart meanwhile."""

from __future__ import annotations

from collections.abc import Callable

from django.db import transaction

from cdp.rules.scope import Scope
from profiles.models import Profile


def lock_found(find: Callable[[], set[int]]) -> set[int]:
    """Lock the people whose ids `find` tells, in the order of id, and return these; until it tells the same once
    they are locked. Inside a transaction.
    """
    while True:
        point = transaction.savepoint()
        wanted = find()
        people = Profile.objects.filter(Scope(sorted(wanted)).on("pk")).order_by("pk").select_for_update(no_key=True)
        locked = set(people.values_list("pk", flat=True))
        if find() == wanted:
            return locked
        transaction.savepoint_rollback(point)  # somebody was merged or taken apart meanwhile; lets go of the locks
