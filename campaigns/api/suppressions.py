"""`suppressions/`: addresses that are not written to."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.mixins import CreateModelMixin, DestroyModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns.models import Suppression
from campaigns.services.suppressions import MAX_REASON, SuppressionError, lift_suppression, suppress_address
from cdp.api.router import route
from cdp.api.serializers import StrictSerializer
from cdp.api.viewsets import ROW_PATTERN, ReadingViewSet
from cdp.disclosure import VIEW_PII, Viewer, may_see_pii
from profiles.masking import mask_address, mask_identifier
from profiles.models import IdentifierKind


class SuppressionFilters(filters.FilterSet):
    """`value` finds an address as it is written; it is refused to those who may not see personal data."""

    kind = filters.ModelChoiceFilter(queryset=IdentifierKind.objects.all(), to_field_name="key")
    channel = filters.ChoiceFilter(choices=[(channel, channel) for channel in settings.CONSENT_CHANNELS])
    value = filters.CharFilter(method="of_value")

    def of_value(self, queryset: Any, name: str, value: str) -> Any:
        if not may_see_pii(self.request.user):
            raise PermissionDenied(_("This needs the permission %s.") % VIEW_PII)
        return queryset.written_as(value)


class SuppressionSerializer(StrictSerializer):
    """An address with why it is not written to. Without `view_pii` address and reason are hidden."""

    id = serializers.IntegerField(read_only=True)
    kind = serializers.SlugRelatedField(slug_field="key", queryset=IdentifierKind.objects.all())
    value = serializers.CharField(max_length=400)
    channel = serializers.CharField(max_length=50, allow_blank=True, default="", help_text="Empty: every channel.")
    reason = serializers.CharField(max_length=MAX_REASON)
    source: Any = serializers.CharField(source="source.key", read_only=True, default=None, allow_null=True)
    user: Any = serializers.CharField(source="user.username", read_only=True, default=None, allow_null=True)
    created_at = serializers.DateTimeField(read_only=True)

    def to_representation(self, instance: Suppression) -> dict[str, Any]:
        viewer: Viewer = self.context["request"].user
        shown: dict[str, Any] = super().to_representation(instance)
        shown["value"] = mask_identifier(instance.kind.key, instance.value, viewer)
        shown["reason"] = mask_address(instance.reason, viewer)  # free text: it may quote the address
        return shown


class LiftSerializer(StrictSerializer):
    reason = serializers.CharField(max_length=MAX_REASON)


@route("suppressions")
class SuppressionViewSet(CreateModelMixin, DestroyModelMixin, ReadingViewSet):
    """The list of addresses that are not written to, the latest first."""

    http_method_names = ["get", "head", "options", "post", "delete"]
    queryset = Suppression.objects.select_related("kind", "source", "user").order_by("-pk")
    serializer_class = SuppressionSerializer
    filterset_class = SuppressionFilters
    lookup_value_regex = ROW_PATTERN
    # Whoever may not see addresses would learn by adding one whether it stands there.
    action_permissions = {
        "create": ("campaigns.add_suppression", VIEW_PII),
        "destroy": ("campaigns.delete_suppression", VIEW_PII),
    }

    @extend_schema(
        responses={
            201: SuppressionSerializer,
            200: OpenApiResponse(SuppressionSerializer, description="It stood there already, and stays as it was."),
        }
    )
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Put an address on the list; deliveries that are not yet handed over are held to it."""
        body = self.get_serializer(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        try:
            suppression, is_new = suppress_address(
                given["kind"],
                given["value"],
                channel=given["channel"],
                reason=given["reason"],
                user=request.user,  # type: ignore[arg-type]
                now=timezone.now(),
            )
        except SuppressionError as error:
            raise ValidationError({error.field: [str(error)]}) from error
        answer = self.get_serializer(suppression).data
        return Response(answer, status=status.HTTP_201_CREATED if is_new else status.HTTP_200_OK)

    @extend_schema(request=LiftSerializer)
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Take an address off the list, with a reason, which is kept."""
        body = LiftSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        try:
            lift_suppression(self.get_object(), reason=body.validated_data["reason"], user=request.user)  # type: ignore[arg-type]
        except SuppressionError as error:
            raise ValidationError({error.field: [str(error)]}) from error
        return Response(status=status.HTTP_204_NO_CONTENT)
