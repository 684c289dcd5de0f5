"""People named in a body: `{"profiles": [id…]}` or `{"identifiers": [{"kind", "value"}…]}`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from cdp.api.serializers import PartSerializer, StrictSerializer
from profiles.models import IdentifierKind
from profiles.services.resolve import Reference, find_by_identifiers, find_by_public_ids

MAX_ROWS = 1_000
MAX_ROW = 10**18 - 1  # as ROW_PATTERN has it
MAX_CHOSEN = 10_000  # a body of as many takes 400 kB, and its answer some seconds


@dataclass(frozen=True)
class Chosen:
    """`profile_ids` without repetition, in the order named; `unknown` are those that nobody is, as they were named."""

    profile_ids: list[int]
    unknown: list[Any]


class NamedSerializer(PartSerializer):
    """An identifier as somebody writes it."""

    kind = serializers.CharField()
    value = serializers.CharField(max_length=400)


class RowIdsSerializer(StrictSerializer):
    """Rows of a list, such as conflicts."""

    ids = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=MAX_ROW), allow_empty=False, max_length=MAX_ROWS
    )


class ChosenSerializer(StrictSerializer):
    """Either key, and not both."""

    profiles = serializers.ListField(
        child=serializers.UUIDField(), allow_empty=False, max_length=MAX_CHOSEN, required=False
    )
    identifiers = serializers.ListField(
        child=NamedSerializer(), allow_empty=False, max_length=MAX_CHOSEN, required=False
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("profiles" in attrs) == ("identifiers" in attrs):
            raise serializers.ValidationError(_("name either profiles or identifiers"))
        return attrs

    def validate_identifiers(self, identifiers: list[dict[str, str]]) -> list[dict[str, str]]:
        check_kinds(identifiers)
        return identifiers

    def chosen(self) -> Chosen:
        """Who was named; three queries at most."""
        named = self.validated_data
        if "profiles" in named:
            by_id = find_by_public_ids(named["profiles"])
            found = [by_id.get(public_id) for public_id in named["profiles"]]
        else:
            found = find_each(named["identifiers"])
        asked = named.get("profiles") or named["identifiers"]
        return Chosen(
            profile_ids=list(dict.fromkeys(profile_id for profile_id in found if profile_id is not None)),
            unknown=[name for name, profile_id in zip(asked, found, strict=True) if profile_id is None],
        )


def check_kinds(identifiers: Sequence[dict[str, str]]) -> None:
    """Raise ValidationError, by index, for identifiers of a kind that there is not."""
    known = list(IdentifierKind.objects.values_list("key", flat=True))
    message = _("unknown kind; known: %s") % ", ".join(known)
    errors: Any = {index: {"kind": [message]} for index, named in enumerate(identifiers) if named["kind"] not in known}
    if errors:
        raise serializers.ValidationError(errors)


def find_each(identifiers: Sequence[dict[str, str]]) -> list[int | None]:
    """The profile id of each, in order; None where nobody has it."""
    references: list[Reference] = [(named["kind"], named["value"]) for named in identifiers]
    found = find_by_identifiers(references)
    return [found.get(reference) for reference in references]
