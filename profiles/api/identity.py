"""Who is whom, over HTTP: merging people, what was merged, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db.models import Q, QuerySet
from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from cdp.api.problems import Conflict
from cdp.api.serializers import StrictSerializer
from cdp.api.viewsets import ApiViewSet
from cdp.models import User
from profiles.api.representation import ProfileSerializer, represent
from profiles.identity.errors import IdentityError, KeptApartError
from profiles.models import Profile, ProfileMerge
from profiles.services.identity import merge_profiles

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

    @property
    def user(self) -> User:
        """Who asks; nobody is served without a token."""
        user: User = self.request.user  # type: ignore[assignment]
        return user

    def _survivor(self, public_id: str) -> Profile:
        """The person of this id, wherever merges have brought it."""
        profile = Profile.objects.select_related("merged_into").filter(public_id=public_id).first()
        if profile is None:
            raise Http404(_("No profile has this id."))
        return profile.merged_into or profile


def merges_of(profile: Profile) -> QuerySet[ProfileMerge]:
    """Into this person, or into those whom they absorbed."""
    into = Q(survivor=profile) | Q(survivor__merged_into=profile)
    related = ("survivor", "absorbed", "source", "merged_by", "undone_by")
    return ProfileMerge.objects.filter(into).select_related(*related).order_by("-id")
