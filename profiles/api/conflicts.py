"""`conflicts/`: identifiers that messages named together and that were kept apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from cdp.api.router import route
from cdp.api.serializers import StrictSerializer
from cdp.api.viewsets import ROW_PATTERN, ReadingViewSet
from cdp.disclosure import Viewer, may_see_pii
from profiles.api.chosen import RowIdsSerializer
from profiles.api.filters import reference_in
from profiles.api.identity import MERGING, SideSerializer, refusals, show_side
from profiles.masking import MASK
from profiles.models import IdentifierKind, IdentityConflict, Source
from profiles.services.identity.conflicts import (
    MAX_NOTE,
    dismiss_conflict,
    dismiss_conflicts,
    reopen_conflict,
    settle_by_merge,
    settle_by_move,
)
from profiles.services.resolve import known_identifiers


class ConflictSerializer(serializers.Serializer[Any]):
    """A conflict as its viewer may see it."""

    id = serializers.IntegerField()
    state = serializers.ChoiceField(IdentityConflict.State.choices)
    reason = serializers.ChoiceField(IdentityConflict.Reason.choices)
    kind = serializers.CharField(allow_null=True, help_text="Kind of identifier whose limit binds.")
    kept = SideSerializer(help_text="The message was taken for this person.")
    left_out = SideSerializer(help_text="The message named it too; it stays with this person.")
    source = serializers.CharField()  # type: ignore[assignment]
    message_id = serializers.CharField(help_text="Of the last such message.")
    n_messages = serializers.IntegerField()
    first_at = serializers.DateTimeField()
    last_at = serializers.DateTimeField()
    note = serializers.CharField()
    decided_by = serializers.CharField(allow_null=True)
    decided_at = serializers.DateTimeField(allow_null=True)

    def to_representation(self, conflict: IdentityConflict) -> dict[str, Any]:
        viewer: Viewer = self.context["request"].user
        return {
            "id": conflict.pk,
            "state": conflict.state,
            "reason": conflict.reason,
            "kind": conflict.kind.key if conflict.kind else None,
            "kept": show_side(conflict.anchor, viewer),
            "left_out": show_side(conflict.left_out, viewer),
            "source": conflict.source.key,
            "message_id": conflict.message_id,
            "n_messages": conflict.n_messages,
            "first_at": conflict.first_at,
            "last_at": conflict.last_at,
            "note": conflict.note if not conflict.note or may_see_pii(viewer) else MASK,
            "decided_by": conflict.settled_by.username if conflict.settled_by else None,
            "decided_at": conflict.settled_at,
        }


class NoteSerializer(StrictSerializer):
    note = serializers.CharField(max_length=MAX_NOTE, required=False, default="", allow_blank=True)


class DismissalSerializer(RowIdsSerializer, NoteSerializer):
    pass


DISMISSED = inline_serializer(
    "Dismissed",
    {
        "dismissed": serializers.IntegerField(help_text="Those that were open."),
        "unchanged": serializers.IntegerField(help_text="Those that were decided before."),
        "unknown": serializers.ListField(child=serializers.IntegerField()),
    },
)


class ConflictFilters(filters.FilterSet):
    identifier = filters.CharFilter(
        method="naming", label=_("Identifier on either side, as kind:value; needs profiles.view_pii")
    )
    kind = filters.ModelChoiceFilter(
        to_field_name="key", queryset=IdentifierKind.objects.all(), label="Kind whose limit binds"
    )
    source = filters.ModelChoiceFilter(to_field_name="key", queryset=Source.objects.all(), label="Source")

    class Meta:
        model = IdentityConflict
        fields = ("state", "reason")

    def naming(self, conflicts: QuerySet[IdentityConflict], name: str, given: str) -> QuerySet[IdentityConflict]:
        known = known_identifiers([reference_in(given, name=name, viewer=self.request.user)])
        return conflicts.filter(pk__in=IdentityConflict.objects.naming([each.id for each in known.values()]))


@route("conflicts")
class ConflictViewSet(ReadingViewSet):
    """Identity conflicts, the latest first; `state=open` are those to look at."""

    queryset: QuerySet[IdentityConflict] = IdentityConflict.objects.select_related(
        "anchor__kind", "anchor__profile", "left_out__kind", "left_out__profile", "kind", "source", "settled_by"
    ).order_by("-id")
    serializer_class = ConflictSerializer
    filterset_class = ConflictFilters
    lookup_url_kwarg = "id"
    lookup_value_regex = ROW_PATTERN
    action_permissions = dict.fromkeys(("dismiss", "dismiss_many", "merge", "move", "reopen"), MERGING)

    @extend_schema(operation_id="conflicts_dismiss_many", request=DismissalSerializer, responses=DISMISSED)
    @action(detail=False, methods=["post"], url_path="dismiss", pagination_class=None, filterset_class=None)
    def dismiss_many(self, request: Request) -> Response:
        """Nothing is to be done about up to 1,000 conflicts. Those decided before stay as they are: asking twice
        changes nothing."""
        body = DismissalSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        ids = set(body.validated_data["ids"])
        user: Any = request.user
        with transaction.atomic():
            known = set(IdentityConflict.objects.filter(pk__in=ids).values_list("pk", flat=True))
            chosen = IdentityConflict.objects.filter(pk__in=known)
            n = dismiss_conflicts(chosen, note=body.validated_data["note"], user=user, now=timezone.now())
        return Response({"dismissed": n, "unchanged": len(known) - n, "unknown": sorted(ids - known)})

    @extend_schema(request=NoteSerializer, responses=ConflictSerializer)
    @action(detail=True, methods=["post"])
    def dismiss(self, request: Request, id: str) -> Response:
        """Nothing is to be done: further messages are counted, and nobody is asked again."""
        body = NoteSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        note = body.validated_data["note"]
        return self.decide(lambda conflict, user: dismiss_conflict(conflict, note=note, user=user, now=timezone.now()))

    @extend_schema(request=None, responses=ConflictSerializer)
    @action(detail=True, methods=["post"])
    def merge(self, request: Request, id: str) -> Response:
        """The two are one person: merge them."""
        return self.decide(lambda conflict, user: settle_by_merge(conflict, user=user, now=timezone.now()))

    @extend_schema(request=None, responses=ConflictSerializer)
    @action(detail=True, methods=["post"])
    def move(self, request: Request, id: str) -> Response:
        """The identifier that was left out is of the other person: split it off and move it there."""
        return self.decide(lambda conflict, user: settle_by_move(conflict, user=user, now=timezone.now()))

    @extend_schema(request=None, responses=ConflictSerializer)
    @action(detail=True, methods=["post"])
    def reopen(self, request: Request, id: str) -> Response:
        """It is to be looked at again."""
        return self.decide(lambda conflict, user: reopen_conflict(conflict, user=user, now=timezone.now()))

    def decide(self, decision: Callable[[IdentityConflict, Any], object]) -> Response:
        conflict: IdentityConflict = self.get_object()
        user: Any = self.request.user
        with refusals(user):
            decision(conflict, user)
        return Response(self.get_serializer(self.get_object()).data)
