"""Segments and tier schemes as the refresh engine sees them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import BigIntegerField, QuerySet, Value

from cdp.copy import copy_rows
from cdp.rules.causes import Cause
from cdp.rules.holders import Holder, Move, Outcome, Record, holder_family
from cdp.rules.scope import Scope
from segments.feeds import lock_segment_feed, lock_tier_feed, write_changes
from segments.models import Membership, MembershipChange, Segment, TierChange, TierScheme, TierStanding


@dataclass(frozen=True)
class SegmentHolder(Holder):
    """A segment; its one outcome is its own id."""

    rule: Any

    def outcomes(self) -> Sequence[Outcome]:
        return [Outcome(self.pk, self.rule)]

    def current(self) -> QuerySet[Any, Any]:
        own_id = Value(self.pk, output_field=BigIntegerField())
        return Membership.objects.filter(segment=self.pk).values_list("profile_id", own_id)

    def apply(self, moves: Sequence[Move], *, cause: Cause, now: datetime) -> None:
        left = [move.profile_id for move in moves if move.after is None]
        if left:
            Membership.objects.filter(Scope(left).on("profile_id"), segment=self.pk).delete()
        copy_rows(
            Membership._meta.db_table,
            ["segment_id", "profile_id", "entered_at"],
            ((self.pk, move.profile_id, move.since or now) for move in moves if move.after is not None),
        )

    def record(self, moves: Sequence[Move], *, cause: Cause, now: datetime) -> None:
        self.record_together([Record(self, moves, cause)], now=now)

    @classmethod
    def record_together(cls, records: Sequence[Record], *, now: datetime) -> None:
        entered, left = MembershipChange.Change.ENTERED, MembershipChange.Change.LEFT
        write_changes(
            [
                (holder.pk, move.profile_id, left if move.after is None else entered, cause)
                for holder, moves, cause in records
                for move in moves
            ],
            now=now,
        )

    @transaction.atomic
    def finished(self, *, now: datetime, error: str = "") -> None:
        segment = Segment.objects.filter(pk=self.pk)
        if error:
            segment.update(refresh_error=error)
            return
        lock_segment_feed()
        n_members = Membership.objects.filter(segment=self.pk).count()
        segment.update(refresh_error="", refreshed_at=now, n_members=n_members)


@dataclass(frozen=True)
class TierSchemeHolder(Holder):
    """A tier scheme; its outcomes are the ids of its tiers, highest first. `tier_keys` are by those ids."""

    rules: tuple[Outcome, ...]
    tier_keys: Mapping[int | None, str]

    def outcomes(self) -> Sequence[Outcome]:
        return self.rules

    def current(self) -> QuerySet[Any, Any]:
        return TierStanding.objects.filter(scheme=self.pk).values_list("profile_id", "tier_id")

    def apply(self, moves: Sequence[Move], *, cause: Cause, now: datetime) -> None:
        left = [move.profile_id for move in moves if move.before is not None]
        if left:
            TierStanding.objects.filter(Scope(left).on("profile_id"), scheme=self.pk).delete()
        copy_rows(
            TierStanding._meta.db_table,
            ["scheme_id", "tier_id", "profile_id", "entered_at"],
            ((self.pk, move.after, move.profile_id, move.since or now) for move in moves if move.after is not None),
        )

    def record(self, moves: Sequence[Move], *, cause: Cause, now: datetime) -> None:
        lock_tier_feed()
        copy_rows(
            TierChange._meta.db_table,
            ["scheme_id", "profile_id", "before", "after", "cause", "at"],
            (
                (self.pk, move.profile_id, self.tier_keys.get(move.before), self.tier_keys.get(move.after), cause, now)
                for move in moves
            ),
        )

    def finished(self, *, now: datetime, error: str = "") -> None:
        changed = {"refresh_error": error} if error else {"refresh_error": "", "refreshed_at": now}
        TierScheme.objects.filter(pk=self.pk).update(**changed)


@holder_family("segment")
def load_segments() -> Iterable[SegmentHolder]:
    """Those by rule, but for the archive; one query. Into the others nothing is judged."""
    for segment in Segment.objects.current().filter(kind=Segment.Kind.DYNAMIC):
        yield SegmentHolder(key=f"segment:{segment.key}", label=segment.name, pk=segment.pk, rule=segment.rule)


@holder_family("tier")
def load_tier_schemes() -> Iterable[TierSchemeHolder]:
    """Two queries: the schemes, and their tiers."""
    for scheme in TierScheme.objects.prefetch_related("tiers"):
        tiers = scheme.tiers.all()
        yield TierSchemeHolder(
            key=f"tier:{scheme.key}",
            label=scheme.name,
            pk=scheme.pk,
            rules=tuple(Outcome(tier.pk, tier.entry) for tier in tiers),
            tier_keys={tier.pk: tier.key for tier in tiers},
        )
