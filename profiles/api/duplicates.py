"""`duplicates/`: pairs that may be one person, and what is decided of them."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from cdp.api.problems import Conflict
from cdp.api.router import route
from cdp.api.runs import RunSerializer, accepted
from cdp.api.viewsets import ReadingViewSet
from profiles.identity.errors import KeptApartError
from profiles.models import DuplicateSuggestion
from profiles.services.duplicates import (
    NotInstalled,
    NotToReview,
    accept_suggestion,
    queue_search,
    reject_suggestion,
    reopen_suggestion,
)

DECIDE = ("profiles.change_duplicatesuggestion", "profiles.view_pii")  # nobody judges what they may not see


class EvidenceSerializer(serializers.Serializer[Any]):
    """One field: the step of likeness, and its weight in bits; negative speaks against."""

    field = serializers.CharField()
    level = serializers.CharField()
    weight = serializers.FloatField()


class DuplicateSerializer(serializers.ModelSerializer[DuplicateSuggestion]):
    """`profiles` are the ids of the two people, as they are by now; of what was accepted, one id twice."""

    profiles = serializers.SerializerMethodField()
    evidence = EvidenceSerializer(many=True, read_only=True)
    decided_by = serializers.CharField(source="decided_by.username", default=None, read_only=True, allow_null=True)

    class Meta:
        model = DuplicateSuggestion
        fields = (
            "id", "profiles", "probability", "evidence", "state", "suggested_at", "decided_at", "decided_by",
        )  # fmt: skip
        read_only_fields = fields

    def get_profiles(self, suggestion: DuplicateSuggestion) -> list[str]:
        return [str(person.public_id) for person in suggestion.people]


class DuplicateFilters(filters.FilterSet):
    min_probability = filters.NumberFilter(
        field_name="probability", lookup_expr="gte", min_value=0, max_value=1, label=_("At least so probable")
    )

    class Meta:
        model = DuplicateSuggestion
        fields = ("state",)


@route("duplicates")
class DuplicateViewSet(ReadingViewSet):
    """Pairs that a search found probable, the most probable first; `state=open` are those to review."""

    queryset = DuplicateSuggestion.objects.with_people().select_related("decided_by").order_by("-probability", "-id")
    serializer_class = DuplicateSerializer
    filterset_class = DuplicateFilters
    lookup_value_regex = r"[0-9]{1,18}"
    action_permissions = {
        "accept": (*DECIDE, "profiles.merge_profile"),
        "reject": DECIDE,
        "reopen": DECIDE,
        "search": ("profiles.add_duplicatesuggestion",),
    }

    @extend_schema(request=None, responses=inline_serializer("Survivor", {"survivor": serializers.UUIDField()}))
    @action(detail=True, methods=["post"], pagination_class=None, filterset_class=None)
    def accept(self, request: Request, pk: str) -> Response:
        """Merge the two; undoing it takes them apart. 409 where a limit, a separation or a rejection forbids it."""
        self._exists(pk)
        try:
            merge = accept_suggestion(int(pk), user=request.user, now=timezone.now())  # type: ignore[arg-type]
        except KeptApartError as error:
            raise Conflict(error.message_for(request.user)) from error
        except NotToReview as error:
            raise Conflict(str(error)) from error
        return Response({"survivor": merge.survivor.public_id})

    @extend_schema(request=None, responses=DuplicateSerializer)
    @action(detail=True, methods=["post"], pagination_class=None, filterset_class=None)
    def reject(self, request: Request, pk: str) -> Response:
        """Remember that they are two; they are not suggested again."""
        self._exists(pk)
        try:
            reject_suggestion(int(pk), user=request.user, now=timezone.now())  # type: ignore[arg-type]
        except NotToReview as error:
            raise Conflict(str(error)) from error
        return self._answer(pk)

    @extend_schema(request=None, responses=DuplicateSerializer)
    @action(detail=True, methods=["post"], pagination_class=None, filterset_class=None)
    def reopen(self, request: Request, pk: str) -> Response:
        """Put a rejected pair back for review."""
        self._exists(pk)
        try:
            reopen_suggestion(int(pk))
        except NotToReview as error:
            raise Conflict(str(error)) from error
        return self._answer(pk)

    @extend_schema(request=None, responses={status.HTTP_202_ACCEPTED: RunSerializer})
    @action(detail=False, methods=["post"], pagination_class=None, filterset_class=None)
    def search(self, request: Request) -> Response:
        """Search now; answers with the run. One that waits or runs already is that run."""
        try:
            run = queue_search(user=request.user)  # type: ignore[arg-type]
        except NotInstalled as error:
            raise Conflict(str(error)) from error
        return accepted(run, request)

    def _answer(self, pk: str) -> Response:
        return Response(self.get_serializer(self.get_queryset().get(pk=pk)).data)

    def _exists(self, pk: str) -> None:
        if not DuplicateSuggestion.objects.filter(pk=pk).exists():
            raise Http404
