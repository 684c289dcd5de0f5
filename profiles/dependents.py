"""Imports that fill tags and segments: saved mappings, and what is being taken in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from cdp.dependents import Dependent, dependents
from profiles.models import Import, ImportMapping

PARTS = {"tag": ("tags", "tag", "value"), "segment": ("segments", "segment", "")}


@dependents
def mappings(holder_key: str) -> Iterator[Dependent]:
    for saved in ImportMapping.objects.all():
        parts = named_in(saved.mapping, holder_key)
        if parts is not None:
            page = reverse("admin:profiles_importmapping_change", args=[saved.pk])
            yield Dependent("saved_mapping", _("saved mapping"), saved.key, saved.name, page, parts)


@dependents
def imports_under_way(holder_key: str) -> Iterator[Dependent]:
    """Once they have ended, they are history."""
    for imported in Import.objects.with_state().filter(state=Import.State.RUNNING):
        parts = named_in(imported.mapping, holder_key)
        if parts is not None:
            page = reverse("admin:profiles_import_change", args=[imported.pk])
            yield Dependent("import", _("import"), str(imported.pk), str(imported), page, parts)


def named_in(mapping: Mapping[str, Any], holder_key: str) -> tuple[str, ...] | None:
    """The values that a mapping names of a tag; None where it does not name the thing, which it may do by columns."""
    prefix, _colon, key = holder_key.partition(":")
    if prefix not in PARTS:
        return None
    target, name, part = PARTS[prefix]
    said = [each for each in mapping.get(target, ()) if isinstance(each, dict) and each.get(name) == key]
    if not said:
        return None
    return tuple(dict.fromkeys(each[part] for each in said if isinstance(each.get(part), str)))
