"""`profiles/`: the list, a person, their events, and many at once."""

from __future__ import annotations

from typing import Any

from django.db.models import F, QuerySet
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from cdp.api.router import route
from cdp.api.serializers import StrictSerializer
from profiles.api.chosen import NamedSerializer, check_kinds, find_each
from profiles.api.consents import ConsentActions
from profiles.api.explain import ExplainActions
from profiles.api.filters import ProfileFilters
from profiles.api.identity import MERGING, IdentityActions
from profiles.api.representation import IdentifierSerializer, ObjectField, ProfileSerializer, represent
from profiles.masking import masking_for
from profiles.models import Event, Profile

MAX_LOOKUP = 1000
UUID_PATTERN = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


class LookupSerializer(StrictSerializer):
    identifiers = serializers.ListField(child=NamedSerializer(), allow_empty=False, max_length=MAX_LOOKUP)

    def validate_identifiers(self, identifiers: list[dict[str, str]]) -> list[dict[str, str]]:
        check_kinds(identifiers)
        return identifiers


class EventSerializer(serializers.Serializer[Any]):
    """The shape of a row of events, for the schema."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    occurred_at = serializers.DateTimeField()
    source = serializers.CharField()  # type: ignore[assignment]
    properties = ObjectField()


class EventFilters(filters.FilterSet):
    name = filters.CharFilter(field_name="definition__name", label=_("Name of the event"))


FOUND = inline_serializer(
    "Found",
    {
        "results": inline_serializer(
            "FoundProfile",
            {"identifier": IdentifierSerializer(), "profile": ProfileSerializer(allow_null=True)},
            many=True,
        )
    },
)


@route("profiles")
class ProfileViewSet(ConsentActions, ExplainActions, IdentityActions):
    """Profiles that stand for a person now, the oldest row first."""

    queryset = Profile.objects.current().order_by("pk")
    serializer_class = ProfileSerializer
    filterset_class = ProfileFilters
    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    lookup_value_regex = UUID_PATTERN
    reading_actions = frozenset({"lookup", "split_preview"})
    action_permissions = {
        **ConsentActions.permissions,
        **ExplainActions.permissions,
        "events": ("profiles.view_profile", "profiles.view_event"),
        # A thousand guesses a call would name whom the mask hides.
        "lookup": ("profiles.view_profile", "profiles.view_pii"),
        "merge": MERGING,
        "merges": ("profiles.view_profilemerge",),
        "split": MERGING,
        "split_preview": MERGING,
        "changes": ("profiles.view_identitychange",),
        "separations": ("profiles.view_separation",),
    }

    def list(self, request: Request) -> Response:
        """A page of profiles; `identifier=email:ann@example.com` finds one person."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(represent(page or [], request.user))

    def retrieve(self, request: Request, id: str) -> Response:
        """One person; the id of a merged-away profile answers with the survivor."""
        return Response(represent([self._survivor(id)], request.user)[0])

    @extend_schema(
        responses=EventSerializer(many=True), parameters=[OpenApiParameter("name", description="Name of the event.")]
    )
    @action(detail=True, filterset_class=EventFilters)
    def events(self, request: Request, id: str) -> Response:
        """What the person did, the latest first."""
        rows: QuerySet[Event, Any] = (
            Event.objects.filter(profile=self._survivor(id))
            .order_by("-occurred_at", "-id")
            .values("id", "occurred_at", "properties", name=F("definition__name"), source_key=F("source__key"))
        )
        masking = masking_for(request.user)
        page: list[dict[str, Any]] = self.paginate_queryset(self.filter_queryset(rows)) or []
        return self.get_paginated_response(
            [
                {
                    "id": row["id"],
                    "name": row["name"],
                    "occurred_at": row["occurred_at"],
                    "source": row["source_key"],
                    "properties": masking.properties(row["properties"]),
                }
                for row in page
            ]
        )

    @extend_schema(request=LookupSerializer, responses=FOUND)
    @action(detail=False, methods=["post"], pagination_class=None, filterset_class=None)
    def lookup(self, request: Request) -> Response:
        """The person behind each of up to 1,000 identifiers, in the order asked; null where there is none."""
        body = LookupSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        asked: list[dict[str, str]] = body.validated_data["identifiers"]
        found = find_each(asked)
        profiles = list(Profile.objects.filter(pk__in={profile_id for profile_id in found if profile_id is not None}))
        shown = dict(zip((profile.pk for profile in profiles), represent(profiles, request.user), strict=True))
        return Response(
            {
                "results": [
                    {"identifier": named, "profile": None if profile_id is None else shown[profile_id]}
                    for named, profile_id in zip(asked, found, strict=True)
                ]
            }
        )
