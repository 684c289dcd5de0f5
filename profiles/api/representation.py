"""A profile as JSON, masked for who asks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from cdp.disclosure import Viewer
from profiles.masking import masking_for
from profiles.models import Profile
from profiles.sections import load_sections

JSON_OBJECT = {"type": "object", "additionalProperties": {}}
TEXTS_BY_KEY = {"type": "object", "additionalProperties": {"type": "string"}}


def represent(profiles: Sequence[Profile], viewer: Viewer) -> list[dict[str, Any]]:
    """Each profile with every app's sections, in order; one query a section for all of them."""
    sections = load_sections([profile.pk for profile in profiles])
    masking = masking_for(viewer)
    return [
        {
            "id": profile.public_id,
            "attributes": masking.attributes(profile.attributes),
            **sections[profile.pk],
            "identifiers": [
                {"kind": found["kind"], "value": masking.identifier(found["kind"], found["value"])}
                for found in sections[profile.pk]["identifiers"]
            ],
        }
        for profile in profiles
    ]


class IdentifierSerializer(serializers.Serializer[Any]):
    kind = serializers.CharField()
    value = serializers.CharField()


class TagOfProfileSerializer(serializers.Serializer[Any]):
    key = serializers.CharField()
    value = serializers.CharField(allow_null=True)


@extend_schema_field(JSON_OBJECT)
class ObjectField(serializers.JSONField):
    """A JSON object of any keys."""


@extend_schema_field(TEXTS_BY_KEY)
class TextsField(serializers.JSONField):
    """A JSON object of texts."""


class ProfileSerializer(serializers.Serializer[Any]):
    """The shape of `represent`, for the schema."""

    id = serializers.UUIDField()
    attributes = ObjectField()
    identifiers = IdentifierSerializer(many=True)
    tags = TagOfProfileSerializer(many=True)
    segments = serializers.ListField(child=serializers.CharField())
    tiers = TextsField(help_text="Tier by scheme.")
    scores = ObjectField(help_text="Fields by model.")
    consents = TextsField(help_text="`granted` or `denied` by channel.")
