"""`identifier-kinds/`: what counts as a key of a person."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from cdp.api.problems import Conflict
from cdp.api.router import route
from cdp.api.serializers import StrictModelSerializer, StrictSerializer
from cdp.api.viewsets import ManagingViewSet
from cdp.audit import write_change
from cdp.disclosure import may_see_pii
from profiles.masking import MASK
from profiles.models import IdentifierKind
from profiles.services.kinds import MAX_PRIORITY, KindInUse, delete_kind, order_kinds, save_kind

SEES = "profiles.view_pii"  # who cannot see blocked values would lose them


class KindSerializer(StrictModelSerializer[IdentifierKind]):
    """A kind of identifier. Without `priority` a new one is placed before the kinds that are not personal, or last."""

    priority = serializers.IntegerField(min_value=1, max_value=MAX_PRIORITY, required=False)
    limit_per_profile = serializers.IntegerField(
        min_value=1, max_value=32_767, allow_null=True, required=False, help_text="null: any number."
    )
    blocked_values = serializers.ListField(
        child=serializers.CharField(max_length=200), required=False, help_text="Normalised when saved."
    )
    is_built_in = serializers.BooleanField(read_only=True)

    class Meta:
        model = IdentifierKind
        fields = (
            "key",
            "label",
            "normaliser",
            "limit_per_profile",
            "priority",
            "is_personal",
            "blocked_values",
            "is_built_in",
        )

    def to_representation(self, kind: IdentifierKind) -> dict[str, Any]:
        shown = super().to_representation(kind)
        if kind.is_personal and kind.blocked_values and not may_see_pii(self.context["request"].user):
            shown["blocked_values"] = [MASK]
        return shown

    def create(self, validated_data: dict[str, Any]) -> IdentifierKind:
        kind = IdentifierKind(**validated_data)
        save_kind(kind, user=self.context["request"].user)
        return kind

    def save_edited(self, edited: IdentifierKind, *, changed: Collection[str]) -> None:
        save_kind(edited, user=self.context["request"].user, changed=changed)


class OrderSerializer(StrictSerializer):
    kinds = serializers.ListField(child=serializers.CharField(), allow_empty=False, max_length=1000)


@route("identifier-kinds")
class KindViewSet(ManagingViewSet):
    """Identifier kinds by key, the highest priority (the lowest number) first."""

    queryset = IdentifierKind.objects.order_by("priority")
    serializer_class = KindSerializer
    action_permissions = {
        "create": ("profiles.add_identifierkind", SEES),
        "partial_update": ("profiles.change_identifierkind", SEES),
        "order": ("profiles.change_identifierkind",),
    }

    def perform_destroy(self, instance: IdentifierKind) -> None:
        """Refused while there are identifiers of the kind, or anything else names it."""
        try:
            delete_kind(instance)
        except KindInUse as error:
            raise Conflict(" ".join(error.messages)) from error

    @extend_schema(request=OrderSerializer, responses=KindSerializer(many=True))
    @action(detail=False, methods=["post"], pagination_class=None)
    def order(self, request: Request) -> Response:
        """Put all kinds in this order; answers with them. The first one of a message's identifiers anchors it."""
        body = OrderSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        with transaction.atomic():
            before = dict(IdentifierKind.objects.values_list("pk", "priority"))
            order_kinds(body.validated_data["kinds"])
            for kind in self.get_queryset():
                write_change(
                    request.user,  # type: ignore[arg-type]
                    kind,
                    before={"priority": before[kind.pk]},
                    after={"priority": kind.priority},
                )
        return Response(self.get_serializer(self.get_queryset(), many=True).data)
