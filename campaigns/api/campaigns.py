"""`campaigns/`: drafts, their launch, and what became of each message."""

from __future__ import annotations

from typing import Any

from django.db.models import F, Prefetch, QuerySet
from django.db.models.functions import Coalesce
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns.api.serializers import CampaignSerializer, DeliverySerializer, LaunchedSerializer, StatsSerializer
from campaigns.models import Campaign, Content, Delivery
from campaigns.services.edit import NotDraftError, delete_campaign
from campaigns.services.launch import LaunchError, check_launch, launch_campaign
from campaigns.services.stats import campaign_stats
from cdp.api.problems import Conflict
from cdp.api.router import route
from cdp.api.runs import accepted
from cdp.api.viewsets import ManagingViewSet
from profiles.masking import mask_address


class CampaignFilters(filters.FilterSet):
    class Meta:
        model = Campaign
        fields = ("state", "channel")


class DeliveryFilters(filters.FilterSet):
    state = filters.ChoiceFilter(choices=Delivery.State.choices)


@route("campaigns")
class CampaignViewSet(ManagingViewSet):
    """Campaigns, the newest first. Only a draft is changed or deleted."""

    queryset = (
        Campaign.objects.select_related("segment", "tier_scheme", "created_by")
        .prefetch_related(Prefetch("contents", Content.objects.select_related("tier").order_by("tier__position", "pk")))
        .order_by("-pk")
    )
    serializer_class = CampaignSerializer
    filterset_class = CampaignFilters
    action_permissions = {
        "launch": ("campaigns.launch_campaign",),
        "stats": ("campaigns.view_campaign", "campaigns.view_delivery"),
        "deliveries": ("campaigns.view_campaign", "campaigns.view_delivery"),
    }

    def perform_update(self, serializer: serializers.BaseSerializer[Campaign]) -> None:
        try:
            serializer.save()
        except NotDraftError as error:
            raise Conflict(str(error)) from error

    def perform_destroy(self, instance: Campaign) -> None:
        try:
            delete_campaign(instance)
        except NotDraftError as error:
            raise Conflict(str(error)) from error

    @extend_schema(request=None, responses={202: LaunchedSerializer})
    @action(detail=True, methods=["post"])
    def launch(self, request: Request, key: str) -> Response:
        """Plan a message to everybody in the audience, and send them. Launched again, it does nothing twice.

        `remarks` say how many people get nothing, and why, as the audience is now.
        """
        campaign = self.get_object()
        try:
            run = launch_campaign(campaign, user=request.user, now=timezone.now())  # type: ignore[arg-type]
        except LaunchError as error:
            raise Conflict(str(error)) from error
        response = accepted(run, request)
        response.data["remarks"] = check_launch(campaign).remarks
        return response

    @extend_schema(responses=StatsSerializer)
    @action(detail=True)
    def stats(self, request: Request, key: str) -> Response:
        """How many messages stand where."""
        return Response(StatsSerializer(campaign_stats(self.get_object())).data)

    @extend_schema(responses=DeliverySerializer(many=True))
    @action(detail=True, filterset_class=DeliveryFilters)
    def deliveries(self, request: Request, key: str) -> Response:
        """Every message of the campaign, one a person."""
        rows: QuerySet[Delivery, Any] = (
            Delivery.objects.filter(campaign=get_object_or_404(Campaign, key=key))
            .order_by("step", "profile_id", "occurrence")  # the order of the index under `delivery_once`
            .annotate(person=Coalesce("profile__merged_into__public_id", "profile__public_id"))
            .values("id", "step", "profile_id", "occurrence", "person", "state", "reason", "detail", "address",
                    "planned_at", "settled_at", tier_key=F("tier__key"))
        )  # fmt: skip
        page: list[dict[str, Any]] = self.paginate_queryset(self.filter_queryset(rows)) or []
        return self.get_paginated_response(
            [
                {
                    "id": row["id"],
                    "profile": row["person"],
                    "tier": row["tier_key"],
                    "state": row["state"],
                    "reason": row["reason"],
                    "detail": mask_address(row["detail"], request.user),
                    "address": mask_address(row["address"], request.user),
                    "planned_at": row["planned_at"],
                    "settled_at": row["settled_at"],
                }
                for row in page
            ]
        )
