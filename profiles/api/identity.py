"""Who is whom, over HTTP: merging people, what was merged, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from cdp.api.feeds import FEED_PARAMETERS, FEED_QUERY, feed_page, feed_schema
from cdp.api.problems import Conflict
from cdp.api.router import route
from cdp.api.serializers import StrictSerializer
from cdp.api.viewsets import ROW_PATTERN, ApiViewSet, ReadingViewSet
from cdp.disclosure import Viewer
from cdp.models import User
from profiles.api.chosen import RowIdsSerializer
from profiles.api.parting import (
    NamedIdentifiersSerializer,
    SplitPreviewSerializer,
    SplitSerializer,
    UndoMergeSerializer,
    check_along,
    show_preview,
)
from profiles.api.representation import IdentifierSerializer, ProfileSerializer, represent
from profiles.feeds import IDENTITY
from profiles.identity.errors import IdentityError, KeptApartError
from profiles.identity.normalise import spell
from profiles.masking import masking_for
from profiles.models import Identifier, IdentityChange, Profile, ProfileMerge, Separation
from profiles.models.source import DEFAULT_REGION
from profiles.services.identity import (
    lift_separation,
    lift_separations,
    merge_profiles,
    preview_split,
    preview_undo,
    split_profile,
    undo_merge,
)

MERGING = ("profiles.merge_profile",)
MAX_MERGED = 20  # profiles in one request


class KeptApart(Conflict):
    """Limits or separations forbid that they become one."""

    default_code = "kept-apart"


class MergeSerializer(StrictSerializer):
    profiles = serializers.ListField(child=serializers.UUIDField(), min_length=2, max_length=MAX_MERGED)


class ProfileMergeSerializer(serializers.Serializer[Any]):
    """One merge, for the schema. `by` is who did it by hand; `source` and `message_id` what asked for it else."""

    id = serializers.IntegerField()
    survivor = serializers.UUIDField()
    absorbed = serializers.UUIDField()
    cause = serializers.ChoiceField(ProfileMerge.Cause.choices)
    source = serializers.CharField(allow_null=True)  # type: ignore[assignment]
    message_id = serializers.CharField()
    by = serializers.CharField(allow_null=True)
    at = serializers.DateTimeField()
    undone_by = serializers.CharField(allow_null=True)
    undone_at = serializers.DateTimeField(allow_null=True)

    def to_representation(self, merge: ProfileMerge) -> dict[str, Any]:
        return show_merge(merge)


def show_merge(merge: ProfileMerge) -> dict[str, Any]:
    return {
        "id": merge.pk,
        "survivor": merge.survivor.public_id,
        "absorbed": merge.absorbed.public_id,
        "cause": merge.cause,
        "source": merge.source.key if merge.source else None,
        "message_id": merge.message_id,
        "by": merge.merged_by.username if merge.merged_by else None,
        "at": merge.merged_at,
        "undone_by": merge.undone_by.username if merge.undone_by else None,
        "undone_at": merge.undone_at,
    }


SPLIT = inline_serializer("SplitAnswer", {"from": serializers.UUIDField(), "to": serializers.UUIDField()})


class SideSerializer(IdentifierSerializer):
    """An identifier, and whose it is."""

    profile = serializers.UUIDField()


class SeparationSerializer(serializers.Serializer[Any]):
    """Two identifiers that nothing brings together, for the schema."""

    id = serializers.IntegerField()
    identifiers = SideSerializer(many=True, help_text="Two.")
    at = serializers.DateTimeField()
    by = serializers.CharField(allow_null=True)
    lifted_at = serializers.DateTimeField(allow_null=True)
    lifted_by = serializers.CharField(allow_null=True)

    def to_representation(self, separation: Separation) -> dict[str, Any]:
        return show_separation(separation, self.context["request"].user)


class IdentityChangeSerializer(serializers.Serializer[Any]):
    """One change of who is whom, for the schema. `into` is null for one who was erased."""

    id = serializers.IntegerField()
    profile = serializers.UUIDField()
    change = serializers.ChoiceField(IdentityChange.Change.choices)
    into = serializers.UUIDField(allow_null=True)
    at = serializers.DateTimeField()


def show_side(identifier: Identifier, viewer: Viewer) -> dict[str, Any]:
    """An identifier as its viewer may see it, with the profile that it belongs to."""
    return {
        "kind": identifier.kind.key,
        "value": masking_for(viewer).identifier(identifier.kind.key, identifier.value),
        "profile": identifier.profile.public_id,
    }


def show_separation(separation: Separation, viewer: Viewer) -> dict[str, Any]:
    return {
        "id": separation.pk,
        "identifiers": [show_side(separation.left, viewer), show_side(separation.right, viewer)],
        "at": separation.separated_at,
        "by": separation.split.split_by.username if separation.split.split_by else None,
        "lifted_at": separation.lifted_at,
        "lifted_by": separation.lifted_by.username if separation.lifted_by else None,
    }


LIFTED = inline_serializer(
    "LiftedSeparations",
    {
        "lifted": serializers.IntegerField(help_text="Those that were in force."),
        "unchanged": serializers.IntegerField(help_text="Those that were lifted before."),
        "unknown": serializers.ListField(child=serializers.IntegerField()),
    },
)

SIDES = ("left__kind", "left__profile", "right__kind", "right__profile", "split__split_by", "lifted_by")


def separations_of(profile: Profile) -> QuerySet[Separation]:
    """Those in force."""
    own = list(profile.identifiers.values_list("pk", flat=True))  # a condition over joins would read them all
    side = Q(left__in=own) | Q(right__in=own)
    return Separation.objects.in_force().filter(side).select_related(*SIDES).order_by("-id")


def own_identifiers(profile: Profile, named: Sequence[dict[str, str]]) -> list[Identifier]:
    """The person's identifiers that are named, however written. Raises ValidationError, by index, for others."""
    own = {(each.kind.key, each.value): each for each in profile.identifiers.select_related("kind")}
    normalisers = {each.kind.key: each.kind.normaliser for each in own.values()}
    found = [
        own.get((name["kind"], spell(normalisers[name["kind"]], name["value"], DEFAULT_REGION) or ""))
        if name["kind"] in normalisers
        else None
        for name in named
    ]
    message = _("is no identifier of this person")
    if wrong := {n: {"value": [message]} for n, identifier in enumerate(found) if identifier is None}:
        errors: Any = {"identifiers": wrong}
        raise serializers.ValidationError(errors)
    return [identifier for identifier in found if identifier is not None]


@contextmanager
def refusals(user: User) -> Iterator[None]:
    """What the services refuse, as 409, in the words that this user may read."""
    try:
        yield
    except KeptApartError as error:
        raise KeptApart(error.message_for(user)) from error
    except IdentityError as error:
        raise Conflict(str(error)) from error


class IdentityActions(ApiViewSet):
    """What `profiles/` does about who is whom."""

    @extend_schema(request=MergeSerializer, responses=ProfileSerializer)
    @action(detail=False, methods=["post"], pagination_class=None, filterset_class=None)
    def merge(self, request: Request) -> Response:
        """Make one of several people; answers with the survivor, who is the one that was seen first.

        Ids of merged-away profiles mean their survivors. 409 where a limit or a separation forbids it.
        """
        body = MergeSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        wanted = body.validated_data["profiles"]
        known = dict(Profile.objects.filter(public_id__in=wanted).values_list("public_id", "pk"))
        message = _("no profile has this id")
        if unknown := {n: [message] for n, public_id in enumerate(wanted) if public_id not in known}:
            errors: Any = {"profiles": unknown}
            raise serializers.ValidationError(errors)
        with refusals(self.user):
            survivor = merge_profiles([known[each] for each in wanted], user=self.user, now=timezone.now())
        return Response(represent([survivor], self.user)[0])

    @extend_schema(responses=ProfileMergeSerializer(many=True))
    @action(detail=True, filterset_class=None)
    def merges(self, request: Request, id: str) -> Response:
        """The merges into this person, and those that were undone, the latest first."""
        page: list[ProfileMerge] = self.paginate_queryset(merges_of(self._survivor(id))) or []
        return self.get_paginated_response([show_merge(merge) for merge in page])

    @extend_schema(request=SplitSerializer, responses=SPLIT)
    @action(detail=True, methods=["post"], pagination_class=None, filterset_class=None)
    def split(self, request: Request, id: str) -> Response:
        """Move identifiers into a person of their own, and keep the two apart until somebody lifts it.

        What was written by hand stays, but for the rows that `along` names, and what was written on a merged profile of
        which nothing stays.
        """
        body = SplitSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        profile, along = self._survivor(id), body.validated_data["along"]
        chosen = own_identifiers(profile, body.validated_data["identifiers"])
        with refusals(self.user):
            if along:
                check_along(along, preview_split(profile, chosen))
            other = split_profile(profile, chosen, user=self.user, now=timezone.now(), along=along)
        return Response({"from": profile.public_id, "to": other.public_id})

    @extend_schema(request=NamedIdentifiersSerializer, responses=SplitPreviewSerializer)
    @action(detail=True, methods=["post"], url_path="split/preview", pagination_class=None, filterset_class=None)
    def split_preview(self, request: Request, id: str) -> Response:
        """What a split would move, and the rows by hand that could go along; nothing is changed."""
        body = NamedIdentifiersSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        profile = self._survivor(id)
        with refusals(self.user):
            found = preview_split(profile, own_identifiers(profile, body.validated_data["identifiers"]))
        return Response(show_preview(found, self.user))

    @extend_schema(responses=SeparationSerializer(many=True))
    @action(detail=True, filterset_class=None)
    def separations(self, request: Request, id: str) -> Response:
        """What keeps this person apart from others, the latest first; those that were lifted are left out."""
        page: list[Separation] = self.paginate_queryset(separations_of(self._survivor(id))) or []
        return self.get_paginated_response([show_separation(separation, self.user) for separation in page])

    @extend_schema(parameters=FEED_PARAMETERS, responses=feed_schema("IdentityFeed", IdentityChangeSerializer()))
    @action(detail=False, pagination_class=None, filterset_class=None, query_parameters=FEED_QUERY)
    def changes(self, request: Request) -> Response:
        """Who became whom, in order: of `profile`, or a part of it, `into` stands from then on."""
        return feed_page(IDENTITY, request)

    @property
    def user(self) -> User:
        """Who asks; nobody is served without a token."""
        user: User = self.request.user  # type: ignore[assignment]
        return user

    def _survivor(self, public_id: str) -> Profile:
        """The person of this id, wherever merges have brought it."""
        profile = Profile.objects.select_related("merged_into").filter(public_id=public_id).first()
        if profile is None or profile.erased_at is not None:
            raise Http404(_("No profile has this id."))
        return profile.merged_into or profile


def merges_of(profile: Profile) -> QuerySet[ProfileMerge]:
    """Into this person, or into those whom they absorbed; and those that a split brought, whoever survived them."""
    absorbed = list(Profile.objects.filter(merged_into=profile).values_list("pk", flat=True))
    into = Q(survivor__in=[profile.pk, *absorbed]) | Q(absorbed__in=absorbed, undone_at=None)
    related = ("survivor", "absorbed", "source", "merged_by", "undone_by")
    return ProfileMerge.objects.filter(into).select_related(*related).order_by("-id")


class MergeFilters(filters.FilterSet):
    cause = filters.ChoiceFilter(choices=ProfileMerge.Cause.choices)


@route("merges")
class MergeViewSet(ReadingViewSet):
    """Merges, the latest first."""

    queryset = ProfileMerge.objects.select_related("survivor", "absorbed", "source", "merged_by", "undone_by").order_by(
        "-id"
    )
    serializer_class = ProfileMergeSerializer
    filterset_class = MergeFilters
    lookup_url_kwarg = "id"
    lookup_value_regex = ROW_PATTERN
    action_permissions = {"undo": MERGING, "undo_preview": MERGING}
    reading_actions = frozenset({"undo_preview"})

    @extend_schema(request=UndoMergeSerializer, responses=ProfileSerializer)
    @action(detail=True, methods=["post"])
    def undo(self, request: Request, id: str) -> Response:
        """Let the absorbed live again, under the old id; answers with them.

        What was written by hand after the merge stays, but for the rows that `along` names.
        """
        user: Any = request.user
        body = UndoMergeSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        merge, along = self.get_object(), body.validated_data["along"]
        with refusals(user):
            if along:
                check_along(along, preview_undo(merge))
            profile = undo_merge(merge, user=user, now=timezone.now(), along=along)
        return Response(represent([profile], user)[0])

    @extend_schema(request=None, responses=SplitPreviewSerializer)
    @action(detail=True, methods=["post"], url_path="undo/preview")
    def undo_preview(self, request: Request, id: str) -> Response:
        """What an undo would move, and the rows by hand that could go along; nothing is changed."""
        user: Any = request.user
        with refusals(user):
            return Response(show_preview(preview_undo(self.get_object()), user))


@route("separations")
class SeparationViewSet(ReadingViewSet):
    """Pairs of identifiers that nothing brings together, the latest first, lifted ones included."""

    queryset: QuerySet[Separation] = Separation.objects.select_related(*SIDES).order_by("-id")
    serializer_class = SeparationSerializer
    lookup_url_kwarg = "id"
    lookup_value_regex = ROW_PATTERN
    action_permissions = {"lift": MERGING, "lift_many": MERGING}

    @extend_schema(operation_id="separations_lift_many", request=RowIdsSerializer, responses=LIFTED)
    @action(detail=False, methods=["post"], url_path="lift", pagination_class=None, filterset_class=None)
    def lift_many(self, request: Request) -> Response:
        """Lift up to 1,000 separations, such as those of one split. Asking twice changes nothing."""
        body = RowIdsSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        ids = set(body.validated_data["ids"])
        user: Any = request.user
        with transaction.atomic():
            known = set(Separation.objects.filter(pk__in=ids).values_list("pk", flat=True))
            n = lift_separations(Separation.objects.filter(pk__in=known), user=user, now=timezone.now())
        return Response({"lifted": n, "unchanged": len(known) - n, "unknown": sorted(ids - known)})

    @extend_schema(request=None, responses=SeparationSerializer)
    @action(detail=True, methods=["post"])
    def lift(self, request: Request, id: str) -> Response:
        """Let links and merges bring the two together again; lifted already, it changes nothing."""
        user: Any = request.user
        lift_separation(self.get_object(), user=user, now=timezone.now())
        return Response(self.get_serializer(self.get_object()).data)
