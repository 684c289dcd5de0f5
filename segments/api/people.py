"""Rows of people and of their moves, as members, standings and feeds show them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import F, QuerySet
from rest_framework import serializers

from cdp.rules.causes import Cause
from segments.models import Membership, MembershipChange, TierStanding
from segments.services.as_of import members_as_of


class MemberSerializer(serializers.Serializer[Any]):
    """The shape of `member_rows`, for the schema."""

    profile = serializers.UUIDField()
    entered_at = serializers.DateTimeField()


class SegmentDaySerializer(serializers.Serializer[Any]):
    """The size at the end of a business day, and who came and went on it."""

    day = serializers.DateField()
    n_members = serializers.IntegerField()
    n_entered = serializers.IntegerField()
    n_left = serializers.IntegerField()


class StandingSerializer(MemberSerializer):
    tier = serializers.CharField()


class MembershipChangeSerializer(serializers.Serializer[Any]):
    """One entry or exit, for the schema."""

    id = serializers.IntegerField()
    profile = serializers.UUIDField()
    change = serializers.ChoiceField(MembershipChange.Change.choices)
    cause = serializers.ChoiceField(Cause.choices)
    at = serializers.DateTimeField()


class SegmentsChangeSerializer(MembershipChangeSerializer):
    segment = serializers.CharField()


class TierChangeSerializer(serializers.Serializer[Any]):
    """One move between tiers, for the schema; null is no tier."""

    id = serializers.IntegerField()
    profile = serializers.UUIDField()
    before = serializers.CharField(allow_null=True)
    after = serializers.CharField(allow_null=True)
    cause = serializers.ChoiceField(Cause.choices)
    at = serializers.DateTimeField()


class TiersChangeSerializer(TierChangeSerializer):
    scheme = serializers.CharField()


def member_rows(segment_id: int) -> QuerySet[Membership, Any]:
    """Members along the index of (segment, profile), as plain rows: a model instance each takes three times as long."""
    return (
        Membership.objects.filter(segment=segment_id)
        .order_by("profile_id")
        .values("profile_id", "entered_at", public_id=F("profile__public_id"))
    )


def member_rows_as_of(segment_id: int, at: datetime) -> QuerySet[MembershipChange, Any]:
    """Members at a moment, in the form of `member_rows`."""
    return members_as_of(segment_id, at).values("profile_id", entered_at=F("at"), public_id=F("profile__public_id"))


def show_member(row: dict[str, Any]) -> dict[str, Any]:
    return {"profile": row["public_id"], "entered_at": row["entered_at"]}


def standing_rows(scheme_id: int) -> QuerySet[TierStanding, Any]:
    """Standings along the index of (scheme, profile)."""
    return (
        TierStanding.objects.filter(scheme=scheme_id)
        .order_by("profile_id")
        .values("profile_id", "entered_at", public_id=F("profile__public_id"), tier_key=F("tier__key"))
    )


def show_standing(row: dict[str, Any]) -> dict[str, Any]:
    return {"profile": row["public_id"], "tier": row["tier_key"], "entered_at": row["entered_at"]}
