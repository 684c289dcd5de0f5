"""`profiles/{id}/consents/` and `profiles/consents/`: what people said of being written to, and telling it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from cdp.api.serializers import MomentField, PartSerializer, StrictSerializer
from cdp.disclosure import Viewer, may_see_pii
from profiles.api.chosen import NamedSerializer, check_kinds, find_each
from profiles.masking import MASK
from profiles.models import Consent, Profile
from profiles.models.consent import MAX_NOTE
from profiles.services.consents import ConsentError, Said, check, record_consents

MAX_WORDS = 1000  # in one call


class WordSerializer(PartSerializer):
    """One word. `occurred_at` is when it was given, now where it is absent; `note` says where it is from."""

    channel = serializers.CharField(max_length=50)
    state = serializers.ChoiceField(Consent.State.choices)
    occurred_at = MomentField(required=False)
    note = serializers.CharField(max_length=MAX_NOTE, allow_blank=True, default="")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        now = timezone.now()
        try:
            check(said_of(attrs, profile_id=0, now=now), now=now)
        except ConsentError as error:
            raise serializers.ValidationError({error.field: [str(error)]}) from error
        return attrs


class WordOfSomebodySerializer(WordSerializer):
    """A word with the identifier of who gave it."""

    identifier = NamedSerializer()


class WordsSerializer(StrictSerializer):
    consents = serializers.ListField(child=WordOfSomebodySerializer(), allow_empty=False, max_length=MAX_WORDS)

    def validate_consents(self, consents: list[dict[str, Any]]) -> list[dict[str, Any]]:
        check_kinds([word["identifier"] for word in consents])
        return consents


class ConsentSerializer(serializers.Serializer[Any]):
    """The shape of a word, for the schema. It has a `source`, or a `user` who told it, or neither: a merge."""

    channel = serializers.CharField()
    state = serializers.ChoiceField(Consent.State.choices)
    occurred_at = serializers.DateTimeField()
    source = serializers.CharField(allow_null=True)  # type: ignore[assignment]
    user = serializers.CharField(allow_null=True)
    recorded_at = serializers.DateTimeField(allow_null=True)
    note = serializers.CharField(help_text="Hidden without `view_pii`.")


CURRENT = inline_serializer(
    "CurrentConsents",
    {"current": serializers.DictField(child=ConsentSerializer(), help_text="The word in force by channel.")},
)
HISTORY = inline_serializer(
    "ConsentHistory",
    {
        "current": serializers.DictField(child=ConsentSerializer(), help_text="The word in force by channel."),
        "next": serializers.URLField(allow_null=True),
        "previous": serializers.URLField(allow_null=True),
        "results": ConsentSerializer(many=True),
    },
)
RECORDED = inline_serializer(
    "RecordedConsents",
    {
        "recorded": serializers.IntegerField(),
        "unchanged": serializers.IntegerField(help_text="Words that had been told before."),
        "unknown": serializers.ListField(child=NamedSerializer()),
    },
)


class ConsentFilters(filters.FilterSet):
    channel = filters.ChoiceFilter(choices=[(channel, channel) for channel in settings.CONSENT_CHANNELS])


class ConsentActions:
    """What a viewset of profiles has of consents."""

    permissions: dict[str, tuple[str, ...]] = {
        "consents:GET": ("profiles.view_profile", "profiles.view_consent"),
        "consents:POST": ("profiles.view_profile", "profiles.add_consent"),
        "consents_of_many": ("profiles.add_consent", "profiles.view_pii"),  # to be unknown tells that nobody is
    }

    @extend_schema(
        methods=["GET"],
        responses=HISTORY,
        parameters=[OpenApiParameter("channel", description="One channel's words alone.")],
    )
    @extend_schema(methods=["POST"], request=WordSerializer, responses={201: CURRENT})
    @action(detail=True, methods=["get", "post"], filterset_class=ConsentFilters)
    def consents(self, request: Request, id: str) -> Response:
        """The words in force and the history, the latest first; by POST one more word, told by the caller."""
        profile: Profile = self._survivor(id)  # type: ignore[attr-defined]
        if request.method == "POST":
            body = WordSerializer(data=request.data)
            body.is_valid(raise_exception=True)
            now = timezone.now()
            said = said_of(body.validated_data, profile_id=profile.pk, now=now)
            record_consents([said], user=request.user, now=now)  # type: ignore[arg-type]
            return Response({"current": self._current(profile, request)}, status=status.HTTP_201_CREATED)
        rows = Consent.objects.filter(profile=profile).select_related("source", "user").order_by("-occurred_at", "-id")
        page = self.paginate_queryset(self.filter_queryset(rows)) or []  # type: ignore[attr-defined]
        answer: Response = self.get_paginated_response(shown(page, request.user))  # type: ignore[attr-defined]
        answer.data = {"current": self._current(profile, request), **answer.data}
        return answer

    @extend_schema(operation_id="profiles_consents_of_many", request=WordsSerializer, responses=RECORDED)
    @action(detail=False, methods=["post"], url_path="consents", pagination_class=None, filterset_class=None)
    def consents_of_many(self, request: Request) -> Response:
        """Up to 1,000 words of people by identifier; told twice, a word counts once."""
        body = WordsSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        words: list[dict[str, Any]] = body.validated_data["consents"]
        found = find_each([word["identifier"] for word in words])
        now = timezone.now()
        said = [
            said_of(word, profile_id=profile_id, now=now)
            for word, profile_id in zip(words, found, strict=True)
            if profile_id is not None
        ]
        recorded = record_consents(said, user=request.user, now=now)  # type: ignore[arg-type]
        unknown = [word["identifier"] for word, profile_id in zip(words, found, strict=True) if profile_id is None]
        return Response({"recorded": recorded, "unchanged": len(said) - recorded, "unknown": unknown})

    def _current(self, profile: Profile, request: Request) -> dict[str, Any]:
        in_force = Consent.objects.filter(profile=profile).select_related("source", "user").in_force()
        return {word["channel"]: word for word in shown(in_force, request.user)}


def said_of(word: dict[str, Any], *, profile_id: int, now: Any) -> Said:
    return Said(
        profile_id=profile_id,
        channel=word["channel"],
        state=Consent.State(word["state"]),
        occurred_at=word.get("occurred_at", now),
        note=word["note"],
    )


def shown(consents: Iterable[Consent], viewer: Viewer) -> list[dict[str, Any]]:
    """As JSON. A note is free text, and may hold anything."""
    sees_notes = may_see_pii(viewer)
    return [
        {
            "channel": consent.channel,
            "state": consent.state,
            "occurred_at": consent.occurred_at,
            "source": consent.source.key if consent.source else None,
            "user": consent.user.username if consent.user else None,
            "recorded_at": consent.recorded_at,
            "note": consent.note if sees_notes or not consent.note else MASK,
        }
        for consent in consents
    ]
