"""Long work, as it goes on: `runs/` and `runs/{id}/`."""

from __future__ import annotations

from typing import Any

from django.http import FileResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from cdp.api.bodies import FileNegotiation
from cdp.api.problems import Conflict
from cdp.api.router import route
from cdp.api.viewsets import ReadingViewSet
from cdp.disclosure import VIEW_PII, shown_counts, shown_error
from cdp.models import Run
from cdp.results import result_response
from cdp.runs import NotCancellableError, cancel_run, may_cancel


class CountsField(serializers.JSONField):
    """What was counted; of the lines where something was wrong, those who lack `view_pii` see the numbers alone."""

    def to_representation(self, value: Any) -> Any:
        return shown_counts(value, self.context["request"].user)


class RunSerializer(serializers.ModelSerializer[Run]):
    """`percent` is null while the total is not known; `user` who started it, null for the system.

    `can_cancel`: POST `cancel/` would stop it; `has_result`: GET `result/` has a file.

    `error` may quote personal data: who lacks `view_pii` learns only that there is one.
    """

    user = serializers.CharField(source="user.username", default=None, read_only=True, allow_null=True)
    percent = serializers.IntegerField(read_only=True, allow_null=True, min_value=0, max_value=100)
    counts = CountsField(read_only=True)
    error = serializers.SerializerMethodField()
    can_cancel = serializers.BooleanField(read_only=True)
    has_result = serializers.BooleanField(read_only=True)

    class Meta:
        model = Run
        fields = (
            "id", "kind", "subject", "state", "user", "done", "total", "percent", "counts", "error",
            "can_cancel", "has_result", "created_at", "started_at", "ended_at",
        )  # fmt: skip
        read_only_fields = fields

    def get_error(self, run: Run) -> str:
        return shown_error(run, self.context["request"].user)


class RunFilters(filters.FilterSet):
    class Meta:
        model = Run
        fields = ("kind", "state")


@route("runs")
class RunViewSet(ReadingViewSet):
    """Runs, the newest first."""

    queryset = Run.objects.select_related("user").order_by("-id")
    serializer_class = RunSerializer
    filterset_class = RunFilters
    lookup_value_regex = r"[0-9]{1,18}"
    action_permissions = {"cancel": ("cdp.view_run",), "result": ("cdp.view_run", VIEW_PII)}

    @extend_schema(request=None, responses=RunSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, **kwargs: Any) -> Response:
        """Stop a run at its next step; what it has done so far stays. 409 where it has ended or cannot stop."""
        run = self.get_object()
        if not may_cancel(run, request.user):
            raise PermissionDenied(_("Only who started a run, or a role that may change runs, can cancel it."))
        try:
            stopped = cancel_run(run.pk, now=timezone.now())
        except NotCancellableError as error:
            raise Conflict(str(error)) from error
        return Response(self.get_serializer(stopped).data)

    @extend_schema(responses={(200, "application/octet-stream"): OpenApiTypes.BINARY})
    @action(detail=True, methods=["get"], content_negotiation_class=FileNegotiation)
    def result(self, request: Request, **kwargs: Any) -> FileResponse:
        """The result file, such as the refused rows of an import."""
        return result_response(self.get_object(), request.user)


def accepted(run: Run, request: Request) -> Response:
    """202 with the run that does the work, and where to follow it."""
    headers = {"Location": reverse("api:runs-detail", args=[run.pk])}
    return Response(
        RunSerializer(run, context={"request": request}).data, status=status.HTTP_202_ACCEPTED, headers=headers
    )
