"""`segments/{key}/alerts/`: the days on which the size changed by more than `alert_percent`, and who has seen to it."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from cdp.api.filters import YesNoFilter
from cdp.api.serializers import StrictSerializer
from cdp.models import User
from segments.models import Segment, SizeAlert
from segments.services.sizes import see_alert


class SizeAlertSerializer(serializers.ModelSerializer[SizeAlert]):
    """The size at the start of a business day and, as far as it was counted, at its end. `is_open` until somebody has
    seen it, or the size is back within the share of what it was (`cleared_at`). `told_at` is when its owner was written
    to; null: nobody was.
    """

    told_at = serializers.DateTimeField(source="mailed_at", read_only=True)
    seen_by = serializers.SlugRelatedField[User](slug_field="username", read_only=True)
    is_open = serializers.BooleanField(read_only=True)

    class Meta:
        model = SizeAlert
        fields = ("day", "before", "after", "is_open", "told_at", "cleared_at", "seen_at", "seen_by")


class SeenSerializer(StrictSerializer):
    """The business day of the alert."""

    day = serializers.DateField()


class AlertFilters(filters.FilterSet):
    """`open`: `true` for those that nobody has seen to and that are not over; `false` for the others."""

    open = YesNoFilter(method="keep")

    def keep(self, alerts: QuerySet[SizeAlert], name: str, is_open: bool) -> QuerySet[SizeAlert]:
        asked = Q(cleared_at=None, seen_at=None)
        return alerts.filter(asked if is_open else ~asked)


class AlertActions(GenericViewSet[Any]):
    """Mixed into the endpoints of segments."""

    @extend_schema(responses=SizeAlertSerializer(many=True))
    @action(detail=True, filterset_class=AlertFilters)
    def alerts(self, request: Request, key: str) -> Response:
        """When its size changed within a business day by more than its `alert_percent`, the latest first; noted within
        ten minutes.
        """
        alerts = self.filter_queryset(alerts_of(key).order_by("-day"))
        return self.get_paginated_response(SizeAlertSerializer(self.paginate_queryset(alerts) or [], many=True).data)

    @extend_schema(request=SeenSerializer, responses=SizeAlertSerializer)
    @action(detail=True, methods=["post"], url_path="alerts/seen", pagination_class=None, filterset_class=None)
    def see_alert(self, request: Request, key: str) -> Response:
        """Somebody has seen to the alert of a day: it is open no more. The first one counts; twice is as once."""
        body = SeenSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        alerts = alerts_of(key).filter(day=body.validated_data["day"])
        alert = alerts.first()
        if alert is None:
            raise NotFound(_("There was no alert on that day."))
        user: User = request.user  # type: ignore[assignment]
        see_alert(alert, user=user, now=timezone.now())
        return Response(SizeAlertSerializer(alerts.get()).data)


def alerts_of(key: str) -> QuerySet[SizeAlert]:
    segment = get_object_or_404(Segment.objects.only("pk"), key=key)
    return SizeAlert.objects.filter(segment=segment).select_related("seen_by")
