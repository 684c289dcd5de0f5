"""What stays where it is when people merge: history, and what other followers bring back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from profiles.followers import Follower, Merged, Parted, move_rows, register_follower
from segments.models import DisplacedMembership, FormerMembership, FormerStanding, MembershipChange, TierChange


@register_follower
class DisplacedMembershipFollower(Follower):
    """They stay with the person; MembershipFollower brings them back."""

    model = DisplacedMembership

    def merge(self, merged: Sequence[Merged], *, now: datetime) -> None:
        move_rows(DisplacedMembership, merged)

    def split(self, parted: Parted, *, now: datetime) -> None:
        return


@register_follower
class MembershipChangeFollower(Follower):
    """Changes are history: they keep the profile that they speak of, and readers resolve it."""

    model = MembershipChange

    def merge(self, merged: Sequence[Merged], *, now: datetime) -> None:
        return

    def split(self, parted: Parted, *, now: datetime) -> None:
        return


@register_follower
class TierChangeFollower(Follower):
    """History, as the changes of membership."""

    model = TierChange

    def merge(self, merged: Sequence[Merged], *, now: datetime) -> None:
        return

    def split(self, parted: Parted, *, now: datetime) -> None:
        return


@register_follower
class FormerMembershipFollower(Follower):
    """History, with its merge; MembershipFollower reads it."""

    model = FormerMembership

    def merge(self, merged: Sequence[Merged], *, now: datetime) -> None:
        return

    def split(self, parted: Parted, *, now: datetime) -> None:
        return


@register_follower
class FormerStandingFollower(Follower):
    """History, with its merge; TierStandingFollower reads it."""

    model = FormerStanding

    def merge(self, merged: Sequence[Merged], *, now: datetime) -> None:
        return

    def split(self, parted: Parted, *, now: datetime) -> None:
        return
