"""Rows of the history of tags, as feeds show them."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import F, QuerySet
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from cdp.rules.causes import Cause
from tags.models import TagChange


class Turn(models.TextChoices):
    """What a change is to who carries the tag."""

    ASSIGNED = "assigned", _("Assigned")
    CHANGED = "changed", _("Changed")
    REMOVED = "removed", _("Removed")


class TagChangeSerializer(serializers.Serializer[Any]):
    """One change, for the schema. `before` and `after` are keys of values; null: none, or the tag has none."""

    id = serializers.IntegerField()
    profile = serializers.UUIDField()
    change = serializers.ChoiceField(Turn.choices)
    before = serializers.CharField(allow_null=True)
    after = serializers.CharField(allow_null=True)
    cause = serializers.ChoiceField(Cause.choices)
    at = serializers.DateTimeField()


class TagsChangeSerializer(TagChangeSerializer):
    tag = serializers.CharField()


def tag_changes() -> QuerySet[TagChange, Any]:
    """Changes of all tags."""
    return TagChange.objects.values(
        "id", "before", "after", "cause", "at", public_id=F("profile__public_id"), tag_key=F("tag__key")
    )


def turn_of(before: str | None, after: str | None) -> Turn:
    if before is None:
        return Turn.ASSIGNED
    return Turn.REMOVED if after is None else Turn.CHANGED


def show_change(row: dict[str, Any]) -> dict[str, Any]:
    """A change of one tag."""
    return {
        "id": row["id"],
        "profile": row["public_id"],
        "change": turn_of(row["before"], row["after"]).value,
        "before": row["before"] or None,
        "after": row["after"] or None,
        "cause": row["cause"],
        "at": row["at"],
    }


def show_change_of_any(row: dict[str, Any]) -> dict[str, Any]:
    """A change in the feed of all tags."""
    return show_change(row) | {"tag": row["tag_key"]}
