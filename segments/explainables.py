"""Why somebody is in a segment, or stands in a tier."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext_lazy as _

from cdp.rules.causes import Cause
from profiles.explainables import Explainable, Filled, Outcome, Settled, Standing, Turn, register_explainable
from segments.models import Membership, MembershipChange, Segment, Tier, TierChange, TierScheme, TierStanding

SETTLED = {
    Segment.Kind.STATIC: Settled("by_hand", _("It is filled by hand and by imports: no rule decides who is in.")),
    Segment.Kind.SNAPSHOT: Settled("snapshot", _("It is a snapshot: who is in was decided when it was taken.")),
}
ARCHIVED = Settled("archived", _("It is archived: nobody enters or leaves it any more."))


@register_explainable
class ExplainedSegment(Explainable):
    """A segment is its own outcome."""

    prefix = parameter = "segment"
    label = _("Segments")
    permissions = ("segments.view_segment", "segments.view_membership", "segments.view_membershipchange")
    page = "admin:segments_segment_change"

    def find(self, key: str) -> Filled | None:
        segment = Segment.objects.filter(key=key).first()
        if segment is None:
            return None
        return Filled(
            pk=segment.pk,
            key=segment.key,
            name=segment.name,
            outcomes=[] if segment.rule is None else [Outcome("", segment.name, segment.rule)],
            settled=ARCHIVED if segment.archived_at else SETTLED.get(Segment.Kind(segment.kind)),
            refreshed_at=segment.refreshed_at,
            refresh_error=segment.refresh_error,
        )

    def standing(self, filled: Filled, profile_id: int, now: datetime) -> Standing | None:
        member = Membership.objects.filter(segment=filled.pk, profile=profile_id).first()
        if member is None:
            return None
        by_hand = "hand" if member.origin_id else "rule"
        return Standing("", member.entered_at, by="import" if member.import_id else by_hand)

    def turns(self, filled: Filled, profile_id: int, limit: int) -> list[Turn]:
        changes = MembershipChange.objects.filter(segment=filled.pk, profile=profile_id).order_by("-id")[:limit]
        return [
            Turn("", None, Cause(each.cause), each.at)
            if each.change == MembershipChange.Change.LEFT
            else Turn(None, "", Cause(each.cause), each.at)
            for each in changes
        ]


@register_explainable
class ExplainedTierScheme(Explainable):
    """The tiers of a scheme, the highest first."""

    prefix, parameter, parts = "tier", "tier_scheme", "tiers"
    label = _("Tier schemes")
    permissions = ("segments.view_tierscheme", "segments.view_tierstanding", "segments.view_tierchange")
    page = "admin:segments_tierscheme_change"

    def find(self, key: str) -> Filled | None:
        scheme = TierScheme.objects.filter(key=key).first()
        if scheme is None:
            return None
        tiers = Tier.objects.filter(scheme=scheme).order_by("position")
        return Filled(
            pk=scheme.pk,
            key=scheme.key,
            name=scheme.name,
            outcomes=[Outcome(tier.key, tier.name, tier.entry) for tier in tiers],
            refreshed_at=scheme.refreshed_at,
            refresh_error=scheme.refresh_error,
        )

    def standing(self, filled: Filled, profile_id: int, now: datetime) -> Standing | None:
        standings = TierStanding.objects.filter(scheme=filled.pk, profile=profile_id)
        found = standings.values_list("tier__key", "entered_at").first()
        return Standing(*found) if found else None

    def turns(self, filled: Filled, profile_id: int, limit: int) -> list[Turn]:
        changes = TierChange.objects.filter(scheme=filled.pk, profile=profile_id).order_by("-id")[:limit]
        return [Turn(each.before, each.after, Cause(each.cause), each.at) for each in changes]
