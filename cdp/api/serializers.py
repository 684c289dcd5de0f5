"""Bodies are checked whole: what nobody knows is an error, not ignored."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from copy import copy
from datetime import UTC, datetime
from typing import Any, TypeVar

import orjson
from django.db.models import Model
from django.utils.timezone import is_naive
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.fields import empty

from cdp.api.bodies import dump
from cdp.api.choices import name_choices
from cdp.clocks import on_clocks
from cdp.keys import RESERVED_KEYS
from cdp.locks import lock_edited

Saved = TypeVar("Saved", bound=Model)


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses fields that it does not know, and other values for those that are only read: they may be sent back."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        fields = super().get_fields()
        for field in fields.values():
            name_choices(field)
        return fields

    def to_internal_value(self, data: Any) -> Any:
        errors = {**self._unknown(data), **self._not_to_be_set(data)} if isinstance(data, Mapping) else {}
        try:
            values = super().to_internal_value(data)
        except serializers.ValidationError as error:
            if not errors:
                raise
            raise serializers.ValidationError({**errors, **error.detail}) from error  # type: ignore[dict-item]
        if errors:
            raise serializers.ValidationError(errors)
        return values

    def _unknown(self, data: Mapping[str, Any]) -> dict[str, list[Any]]:
        known = ", ".join(name for name, field in self.fields.items() if not field.read_only)
        return {str(name): [_("unknown field; known: %s") % known] for name in data if name not in self.fields}

    def _not_to_be_set(self, data: Mapping[str, Any]) -> dict[str, list[Any]]:
        given = [name for name in data if name in self.fields and self.fields[name].read_only]
        if not given:
            return {}
        shown = {} if self.instance is None else orjson.loads(dump(self.to_representation(self.instance)))
        return {name: [_("cannot be set")] for name in given if name not in shown or data[name] != shown[name]}


class PartSerializer(StrictSerializer):
    """A part of a body that is always given whole, also in a PATCH, which changes the rest in part."""

    def run_validation(self, data: Any = empty) -> Any:
        if self.parent is None or not isinstance(data, Mapping):
            return super().run_validation(data)
        alone = type(self)(data=data, context=self.context)
        alone.is_valid(raise_exception=True)
        return alone.validated_data


class StrictModelSerializer(StrictSerializer, serializers.ModelSerializer[Saved]):
    """`fixed` fields are given when a thing is made and stay as they are; `parts` are rows of their own, or say how
    to save it.
    """

    fixed: tuple[str, ...] = ("key",)
    parts: tuple[str, ...] = ()

    def validate_key(self, key: str) -> str:
        if key in RESERVED_KEYS:
            raise serializers.ValidationError(_("is a reserved word; reserved: %s") % ", ".join(sorted(RESERVED_KEYS)))
        return key

    def to_internal_value(self, data: Any) -> Any:
        values = super().to_internal_value(data)
        if self.instance is not None:
            changed = [name for name in self.fixed if name in values and values[name] != getattr(self.instance, name)]
            if changed:
                raise serializers.ValidationError({name: [_("cannot be changed")] for name in changed})
        return values

    def update(self, instance: Saved, validated_data: dict[str, Any]) -> Saved:
        """Save what the body names. The rest of `instance` stays as it was read: what somebody else has saved since is
        no change of this user's, and the audit must not say so.
        """
        edited = copy(instance)
        given = {name: value for name, value in validated_data.items() if name not in self.parts}
        for name, value in given.items():
            setattr(edited, name, value)
        self.save_edited(edited, changed=given.keys())
        for name in given:
            setattr(instance, name, getattr(edited, name))
        return instance

    def save_edited(self, edited: Saved, *, changed: Collection[str]) -> None:
        """Save the `changed` fields, by the service that owns the thing where there is one, which writes the parts."""
        lock_edited(edited, changed)
        edited.save()


class MomentField(serializers.DateTimeField):
    """A time with its zone; without one it would be anybody's guess."""

    def enforce_timezone(self, value: datetime) -> datetime:
        if is_naive(value):
            raise serializers.ValidationError(_("must name its zone, such as 2026-11-22T12:00:00Z"))
        return on_clocks(value, UTC)  # as it is stored: the years 1 and 9999 have no room for an offset
