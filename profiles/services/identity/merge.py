"""Merging people by hand."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from cdp.locks import advisory_lock
from cdp.models import User
from cdp.rules.scope import Scope
from profiles.identity.consents import overrulings_by_hand, write_overrulings
from profiles.identity.errors import MAX_COUNTED, MAX_PAIRS, IdentityError, KeptApartError, LimitBroken, Separated
from profiles.identity.merge import Absorption, ProfileBefore, Reason, absorb, write_feeds
from profiles.identity.resolve import lock_profiles, read_profiles
from profiles.identity.sights import write_last_sights
from profiles.ingest.records import fold_into_profiles
from profiles.models import Identifier, IdentifierKind, Profile, ProfileMerge, Separation
from profiles.refresh.enqueue import enqueue_changes
from profiles.refresh.graph import MERGE
from profiles.refresh.people import survivors_of


@transaction.atomic
def merge_profiles(
    profile_ids: Iterable[int],
    *,
    user: User | None,
    now: datetime,
    cause: ProfileMerge.Cause = ProfileMerge.Cause.MANUAL,
    into: int | None = None,
) -> Profile:
    """Make one of several profiles, and return the survivor: the one that was seen first, unless `into` names another.

    Ids of profiles that were merged away mean their survivors. Takes the identity lock, as processing does.

    Raises:
        IdentityError: fewer than two people are named, or an id is nobody's, or of somebody who was erased.
        KeptApartError: a limit or a separation forbids it. Nothing is changed then.
    """
    advisory_lock("identity")
    wanted = set(profile_ids)
    current = survivors_of(wanted)
    if wanted - current.keys():
        raise IdentityError(_("One of these profiles does not exist."))
    if len(set(current.values())) < 2:
        raise IdentityError(_("These profiles are one person already.") if len(wanted) > 1 else _("Name at least two."))
    if Profile.objects.filter(pk__in=current.values(), erased_at__isnull=False).exists():
        raise IdentityError(_("One of these profiles was erased; nobody is left to merge."))
    lock_profiles(current.values())
    profiles = read_profiles(current.values())
    check_together(profiles)
    survivor, *others = sorted(
        profiles.values(), key=lambda profile: (profile.id != into, profile.first_seen_at, profile.public_id)
    )
    reason = Reason(cause, user_id=user.pk if user else None)
    overruled = overrulings_by_hand(survivor.id, [other.id for other in others], now=now)
    merged = absorb([Absorption(other, survivor, survivor.id, reason) for other in others], now=now)
    write_overrulings(overruled, {})
    widen_seen(profiles, survivor)
    fold_into_profiles([survivor.id])
    enqueue_changes([survivor.id], MERGE, due_at=now)
    write_feeds(merged, now=now)
    return Profile.objects.get(pk=survivor.id)


def check_together(profiles: Collection[int]) -> None:
    """Raises KeptApartError, with every reason, where these, by id, may not be one."""
    together = Scope(list(profiles)).on("profile_id")
    reasons: list[LimitBroken | Separated] = []
    for kind in IdentifierKind.objects.filter(limit_per_profile__isnull=False):
        owned = list(Identifier.objects.filter(together, kind=kind).select_related("kind").order_by("value"))
        # A limit that one of them alone exceeds was lowered later, and does not bind what has none of that kind.
        if len({identifier.profile_id for identifier in owned}) > 1 and len(owned) > (kind.limit_per_profile or 0):
            reasons.append(LimitBroken(kind, owned))
    ids = list(profiles)
    across = Separation.objects.in_force().filter(left__profile__in=ids, right__profile__in=ids)
    if found := sorted(across.order_by().values_list("pk", flat=True)[: MAX_COUNTED + 1]):
        first = Separation.objects.filter(pk__in=found[:MAX_PAIRS]).select_related("left__kind", "right__kind")
        reasons.append(Separated(list(first.order_by("pk")), len(found)))
    if reasons:
        raise KeptApartError(reasons)


def widen_seen(profiles: Mapping[int, ProfileBefore], survivor: ProfileBefore) -> None:
    first_seen_at = min(profile.first_seen_at for profile in profiles.values())
    Profile.objects.filter(pk=survivor.id).update(first_seen_at=first_seen_at)
    write_last_sights({survivor.id: max(profile.last_seen_at for profile in profiles.values())})
