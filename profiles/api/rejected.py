"""`rejected-messages/`: what could not be taken, and replaying it once the cause is corrected."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.mixins import DestroyModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from cdp.api.router import route
from cdp.api.runs import RunSerializer, accepted
from cdp.api.serializers import StrictModelSerializer, StrictSerializer
from cdp.api.viewsets import ReadingViewSet
from cdp.disclosure import VIEW_PII, Viewer, may_see_pii
from profiles.masking import MASK, masking_for
from profiles.models import RejectedMessage, Source
from profiles.services.rejected import CHUNK, DISCARD, REPLAY, Chosen, corrected, discard, queue_for_all, replay

CODES = RejectedMessage.Code.choices
CHOSEN = ("source", "code", "reason", "since", "until")


class RejectedSerializer(StrictModelSerializer[RejectedMessage]):
    """`payload` is the JSON text of the message, hidden from those who may not see personal data. PATCH puts another in
    its place; it is replayed by itself afterwards."""

    fixed = ()
    source: Any = serializers.SlugRelatedField(slug_field="key", read_only=True)
    payload = serializers.CharField(trim_whitespace=False)

    class Meta:
        model = RejectedMessage
        fields = ("id", "source", "received_at", "rejected_at", "code", "reason", "payload")
        read_only_fields = ("id", "received_at", "rejected_at", "code", "reason")

    def validate_payload(self, written: str) -> str:
        return corrected(written)

    def to_representation(self, rejected: RejectedMessage) -> dict[str, Any]:
        shown = super().to_representation(rejected)
        user = self.context["request"].user
        if not may_see_pii(user):
            shown |= {"payload": MASK, "reason": masking_for(user).reason(rejected.code, rejected.reason)}
        return shown


class ChosenMessagesSerializer(StrictSerializer):
    """Messages by `ids`, or all that fit the filters. Without either it must say `all`."""

    ids = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=2**63 - 1),
        allow_empty=False,
        max_length=CHUNK,
        required=False,
    )
    all = serializers.BooleanField(required=False)
    source: Any = serializers.SlugRelatedField(slug_field="key", queryset=Source.objects.all(), required=False)
    code = serializers.ChoiceField(CODES, required=False)
    reason = serializers.CharField(max_length=200, required=False)
    since = serializers.DateField(required=False)
    until = serializers.DateField(required=False)

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        filtered = any(name in given for name in CHOSEN)
        if ("ids" in given) + (filtered or bool(given.get("all"))) != 1:
            raise serializers.ValidationError(_("say either ids, or filters, or all"))
        return given

    def chosen(self) -> Chosen:
        given = {name: self.validated_data.get(name) for name in CHOSEN}
        return Chosen.of(given | {"source": given["source"] and given["source"].key})


def check_may_search(viewer: Viewer) -> None:
    """Raises PermissionDenied for who may not read reasons whole: what is found by one, even a mere count, tells it."""
    if not may_see_pii(viewer):
        raise PermissionDenied(_("This needs the permission %s.") % VIEW_PII)


class RejectedFilters(filters.FilterSet):
    source = filters.CharFilter(method="choose", label=_("Key of a source"))
    code = filters.ChoiceFilter(choices=CODES)
    reason = filters.CharFilter(method="choose", label=_("Text in the reason; needs profiles.view_pii"))
    since = filters.DateFilter(method="choose", label=_("First business day"))
    until = filters.DateFilter(method="choose", label=_("Last business day"))

    class Meta:
        model = RejectedMessage
        fields = CHOSEN

    def choose(self, messages: QuerySet[RejectedMessage], name: str, given: Any) -> QuerySet[RejectedMessage]:
        if name == "reason":
            check_may_search(self.request.user)
        return Chosen.of({name: given}).filter(messages)


REPLAYED = inline_serializer("Replayed", {"replayed": serializers.IntegerField(), "kept": serializers.IntegerField()})
DISCARDED = inline_serializer("Discarded", {"discarded": serializers.IntegerField()})
QUEUED = OpenApiResponse(RunSerializer, description="All that fit the filters; the run does it.")


@route("rejected-messages")
class RejectedViewSet(DestroyModelMixin, ReadingViewSet):
    """Rejected messages, the newest first. DELETE throws one away."""

    http_method_names = ["get", "head", "options", "post", "patch", "delete"]
    queryset = RejectedMessage.objects.select_related("source").order_by("-id")
    serializer_class = RejectedSerializer
    filterset_class = RejectedFilters
    lookup_value_regex = r"[0-9]{1,18}"
    action_permissions = {
        "partial_update": ("profiles.change_rejectedmessage", "profiles.view_pii"),
        "replay": ("profiles.change_rejectedmessage",),
        "discard": ("profiles.delete_rejectedmessage",),
    }

    @extend_schema(request=RejectedSerializer, responses=RejectedSerializer)
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Correct the message before it is replayed."""
        serializer = self.get_serializer(self.get_object(), data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        with transaction.atomic():
            serializer.save()
        return Response(serializer.data)

    @extend_schema(request=ChosenMessagesSerializer, responses={200: REPLAYED, 202: QUEUED})
    @action(detail=False, methods=["post"], pagination_class=None, filterset_class=None)
    def replay(self, request: Request) -> Response:
        """Put messages back into the inbox, each once, also when asked twice. What cannot be put there stays."""
        chosen = self._chosen(request)
        if "ids" in chosen.validated_data:
            return Response(replay(chosen.validated_data["ids"])._asdict())
        return accepted(queue_for_all(REPLAY, chosen.chosen(), user=request.user), request)  # type: ignore[arg-type]

    @extend_schema(request=ChosenMessagesSerializer, responses={200: DISCARDED, 202: QUEUED})
    @action(detail=False, methods=["post"], pagination_class=None, filterset_class=None)
    def discard(self, request: Request) -> Response:
        """Throw messages away for good."""
        chosen = self._chosen(request)
        if "ids" in chosen.validated_data:
            return Response({"discarded": discard(chosen.validated_data["ids"])})
        return accepted(queue_for_all(DISCARD, chosen.chosen(), user=request.user), request)  # type: ignore[arg-type]

    def _chosen(self, request: Request) -> ChosenMessagesSerializer:
        body = ChosenMessagesSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        if "reason" in body.validated_data:
            check_may_search(request.user)
        return body
