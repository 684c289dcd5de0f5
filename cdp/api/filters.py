"""Filters that lists of several apps share."""

from __future__ import annotations

from typing import Any

from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema_field


@extend_schema_field({"type": "string", "enum": ["true", "false"]})
class YesNoFilter(filters.TypedChoiceFilter):
    """`true` or `false`, where the library's own would pass over anything else in silence."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("choices", [("true", "true"), ("false", "false")])
        super().__init__(coerce=lambda text: text == "true", **kwargs)
