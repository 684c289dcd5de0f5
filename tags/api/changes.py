"""Rows of the history of tags, as feeds show them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from cdp.rules.causes import Cause
from tags.feeds import Turn


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


class TagDaySerializer(serializers.Serializer[Any]):
    """Who carried the tag at the end of a business day, in all and by the key of the value, and who got and lost it."""

    day = serializers.DateField()
    n_carriers = serializers.IntegerField()
    n_assigned = serializers.IntegerField()
    n_removed = serializers.IntegerField()
    values = serializers.DictField(child=serializers.IntegerField())
