"""Taking people apart over HTTP: what would go, and which rows by hand go along."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from cdp.api.serializers import StrictSerializer
from cdp.disclosure import Viewer
from profiles.api.chosen import NamedSerializer, check_kinds
from profiles.api.representation import IdentifierSerializer
from profiles.masking import masking_for
from profiles.models import Identifier
from profiles.services.identity import SplitPreview

MAX_SPLIT = 1000  # identifiers in one request
MAX_ALONG = 1000  # rows by hand in one request


class UndoMergeSerializer(StrictSerializer):
    """`along` are rows by hand, written after a merge, that go although they would stay; by their `ref`."""

    along = serializers.ListField(
        child=serializers.CharField(max_length=200), max_length=MAX_ALONG, required=False, default=list
    )


class NamedIdentifiersSerializer(StrictSerializer):
    identifiers = serializers.ListField(child=NamedSerializer(), allow_empty=False, max_length=MAX_SPLIT)

    def validate_identifiers(self, identifiers: list[dict[str, str]]) -> list[dict[str, str]]:
        check_kinds(identifiers)
        return identifiers


class SplitSerializer(NamedIdentifiersSerializer, UndoMergeSerializer):
    pass


class HandMadeSerializer(serializers.Serializer[Any]):
    """A row that somebody wrote by hand; `goes`: also where nobody names it in `along`."""

    ref = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    written_at = serializers.DateTimeField()
    goes = serializers.BooleanField()


class SplitPreviewSerializer(serializers.Serializer[Any]):
    """What would go and what would stay, for the schema."""

    going = IdentifierSerializer(many=True)
    staying = IdentifierSerializer(many=True)
    hand_made = HandMadeSerializer(many=True)


def show_preview(preview: SplitPreview, viewer: Viewer) -> dict[str, Any]:
    masking = masking_for(viewer)

    def shown(identifier: Identifier) -> dict[str, str]:
        return {"kind": identifier.kind.key, "value": masking.identifier(identifier.kind.key, identifier.value)}

    return {
        "going": [shown(identifier) for identifier in preview.going],
        "staying": [shown(identifier) for identifier in preview.staying],
        "hand_made": [row._asdict() for row in preview.hand_made],
    }


def check_along(along: list[str], preview: SplitPreview) -> None:
    """Raises ValidationError, by index, for what is no row by hand of this person."""
    known = {row.ref for row in preview.hand_made}
    message = _("is no row by hand of this person")
    if wrong := {n: [message] for n, ref in enumerate(along) if ref not in known}:
        errors: Any = {"along": wrong}
        raise serializers.ValidationError(errors)
