"""`tier-schemes/`: ladders, who stands where, and who moved."""

from __future__ import annotations

from typing import Any

from django.db.models import Prefetch
from django.shortcuts import get_object_or_404
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from cdp.api.feeds import FEED_PARAMETERS, FEED_QUERY, feed_page, feed_schema
from cdp.api.router import route
from cdp.api.serializers import PartSerializer
from cdp.api.viewsets import KEY_PATTERN
from cdp.models import User
from profiles.api.rules import HolderSerializer, HolderViewSet, RuleJson
from segments.api.people import (
    StandingSerializer,
    TierChangeSerializer,
    TiersChangeSerializer,
    show_standing,
    standing_rows,
)
from segments.feeds import TIERS
from segments.models import Tier, TierScheme
from segments.services import delete_tier_scheme, restore_tier_rules, save_tier_scheme


class TierSerializer(PartSerializer):
    """One rank; the lowest may be without an entry rule, and takes everybody left."""

    key = serializers.RegexField(rf"^{KEY_PATTERN}\Z", max_length=50)
    name = serializers.CharField(max_length=100)
    entry = RuleJson(allow_null=True, default=None)
    benefits = serializers.CharField(allow_blank=True, default="")


class TierSchemeSerializer(HolderSerializer[TierScheme]):
    """`tiers` go from the highest; where given, they replace all of them."""

    tiers = TierSerializer(many=True)

    class Meta:
        model = TierScheme
        fields = (
            "key", "name", "description", "tiers", "version", "refreshed_at", "refresh_error", "created_at",
        )  # fmt: skip
        read_only_fields = ("refreshed_at", "refresh_error", "created_at")

    def create(self, validated_data: dict[str, Any]) -> TierScheme:
        tiers = [Tier(**tier) for tier in validated_data.pop("tiers")]
        scheme = TierScheme(**validated_data)
        save_tier_scheme(scheme, tiers=tiers, user=self.context["request"].user)
        return scheme

    def update(self, instance: TierScheme, validated_data: dict[str, Any]) -> TierScheme:
        version = validated_data.pop("rule_version", None)
        tiers = validated_data.pop("tiers", None)
        for name, value in validated_data.items():
            setattr(instance, name, value)
        save_tier_scheme(
            instance,
            tiers=None if tiers is None else [Tier(**tier) for tier in tiers],
            user=self.context["request"].user,
            expected_version=version,
            changed=validated_data.keys(),
        )
        return instance


class StandingFilters(filters.FilterSet):
    tier = filters.CharFilter(field_name="tier__key")


@route("tier-schemes")
class TierSchemeViewSet(HolderViewSet):
    """Tier schemes by key. Changed rules are refreshed at once, in full."""

    queryset = TierScheme.objects.prefetch_related(Prefetch("tiers", Tier.objects.order_by("position"))).order_by("key")
    serializer_class = TierSchemeSerializer
    holder_prefix = "tier"
    action_permissions = {
        "restore": ("segments.change_tierscheme",),
        "standings": ("segments.view_tierstanding",),
        "changes": ("segments.view_tierchange",),
        "all_changes": ("segments.view_tierchange",),
    }

    def restore_rules(self, thing: Any, version: int, user: User) -> None:
        restore_tier_rules(thing, version, user=user)

    def perform_destroy(self, instance: TierScheme) -> None:
        delete_tier_scheme(instance)

    @extend_schema(responses=StandingSerializer(many=True))
    @action(detail=True, filterset_class=StandingFilters)
    def standings(self, request: Request, key: str) -> Response:
        """Who stands in which tier, and since when."""
        page = self.paginate_queryset(self.filter_queryset(standing_rows(self._id(key)))) or []
        return self.get_paginated_response([show_standing(row) for row in page])

    @extend_schema(parameters=FEED_PARAMETERS, responses=feed_schema("TierFeed", TierChangeSerializer()))
    @action(detail=True, pagination_class=None, filterset_class=None, query_parameters=FEED_QUERY)
    def changes(self, request: Request, key: str) -> Response:
        """Who moved between tiers, in order; null is no tier."""
        return feed_page(TIERS, request, of={"scheme": self._id(key)})

    @extend_schema(
        operation_id="tier_schemes_all_changes",
        parameters=FEED_PARAMETERS,
        responses=feed_schema("TiersFeed", TiersChangeSerializer()),
    )
    @action(detail=False, url_path="changes", pagination_class=None, filterset_class=None, query_parameters=FEED_QUERY)
    def all_changes(self, request: Request) -> Response:
        """Who moved between tiers, of all schemes in one feed."""
        return feed_page(TIERS, request)

    def _id(self, key: str) -> int:
        return get_object_or_404(TierScheme.objects.only("pk"), key=key).pk
