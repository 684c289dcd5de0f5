"""The types of values that rules compare, and how JSON stores them."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class ValueType(models.TextChoices):
    """Type of an attribute, a property or a field of a score. The golden record fixes the shape of each."""

    TEXT = "text", _("Text")  # string
    NUMBER = "number", _("Number")  # number
    BOOLEAN = "boolean", _("Yes or no")  # true, false
    DATE = "date", _("Date")  # string YYYY-MM-DD
    DATETIME = "datetime", _("Date and time")  # string YYYY-MM-DDTHH:MM:SS.ffffffZ, UTC
    LIST = "list", _("List")  # array


# What `jsonb_typeof` says of each.
JSON_TYPES = {
    ValueType.TEXT: "string",
    ValueType.NUMBER: "number",
    ValueType.BOOLEAN: "boolean",
    ValueType.DATE: "string",
    ValueType.DATETIME: "string",
    ValueType.LIST: "array",
}


def type_of(value: object) -> ValueType | None:
    """The type that a JSON value speaks for itself; None for null and objects. A date in JSON is text."""
    match value:
        case bool():
            return ValueType.BOOLEAN
        case int() | float():
            return ValueType.NUMBER
        case str():
            return ValueType.TEXT
        case list():
            return ValueType.LIST
        case _:
            return None
