"""Shorthand of the refresh tests."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from cdp.rules.causes import Cause
from cdp.rules.holders import holder_of
from profiles.models import Profile, ProfileChange
from profiles.refresh.changes import refresh_changes
from profiles.refresh.full import refresh_in_full
from segments.models import Membership, MembershipChange, Segment, TierStanding
from tests.factories.profiles import ProfileChangeFactory, ProfileFactory

NOW = datetime(2026, 6, 15, 4, tzinfo=UTC)


def full(key: str, *, now: datetime = NOW, cause: Cause = Cause.RULE) -> int:
    return refresh_in_full(holder_of(key), now=now, cause=cause)


def drain(*, now: datetime = NOW) -> int:
    """Refresh by change until nothing is due; returns how many rows were taken."""
    n_rows = 0
    while taken := refresh_changes(now=now):
        n_rows += taken
    return n_rows


def person(**attributes: Any) -> Profile:
    profile: Profile = ProfileFactory(attributes=attributes)
    return profile


def change(profile: Profile, **attributes: Any) -> None:
    """Change attributes as collecting does: the golden record, and one row of the queue for each."""
    profile.attributes |= attributes
    profile.save()
    for key in attributes:
        ProfileChangeFactory(profile_id=profile.pk, topic=f"attribute:{key}", due_at=NOW)


def members(segment: Segment) -> set[int]:
    return set(Membership.objects.filter(segment=segment).values_list("profile_id", flat=True))


def replayed(segment: Segment) -> set[int]:
    """Who is in, as a reader of the feed finds out."""
    inside: set[int] = set()
    for row in MembershipChange.objects.filter(segment=segment).order_by("id"):
        if row.change == MembershipChange.Change.ENTERED:
            assert row.profile_id not in inside
            inside.add(row.profile_id)
        else:
            inside.remove(row.profile_id)
    return inside


def standings(scheme: Any) -> dict[int, str]:
    return dict(TierStanding.objects.filter(scheme=scheme).values_list("profile_id", "tier__key"))


def queue() -> list[tuple[int, str, str]]:
    return list(ProfileChange.objects.order_by("id").values_list("profile_id", "topic", "holder"))
