"""Long work, as it goes on: `runs/` and `runs/{id}/`."""

from __future__ import annotations

from django.urls import reverse
from django_filters import rest_framework as filters
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from cdp.api.router import route
from cdp.api.viewsets import ReadingViewSet
from cdp.disclosure import shown_error
from cdp.models import Run


class RunSerializer(serializers.ModelSerializer[Run]):
    """`percent` is null while the total is not known; `user` who started it, null for the system.

    `error` may quote personal data: who lacks `view_pii` learns only that there is one.
    """

    user = serializers.CharField(source="user.username", default=None, read_only=True, allow_null=True)
    percent = serializers.IntegerField(read_only=True, allow_null=True, min_value=0, max_value=100)
    error = serializers.SerializerMethodField()

    class Meta:
        model = Run
        fields = (
            "id", "kind", "subject", "state", "user", "done", "total", "percent", "counts", "error",
            "created_at", "started_at", "ended_at",
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


def accepted(run: Run, request: Request) -> Response:
    """202 with the run that does the work, and where to follow it."""
    headers = {"Location": reverse("api:runs-detail", args=[run.pk])}
    return Response(
        RunSerializer(run, context={"request": request}).data, status=status.HTTP_202_ACCEPTED, headers=headers
    )
