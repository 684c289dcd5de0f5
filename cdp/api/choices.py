"""What is none of the choices of a field or filter is refused with those that there are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.functional import lazy
from django.utils.translation import gettext as _
from django_filters import FilterSet
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework import serializers


def _say(choices: Iterable[object], placeholder: str, special: str) -> str:
    known = ", ".join(str(choice) for choice in choices if choice not in ("", None))  # nobody would write what is empty
    said = _("“%(value)s” is not known; known: %(known)s") % {"value": "\0", "known": known}
    for letter in special:
        said = said.replace(letter, letter * 2)
    return said.replace("\0", placeholder)


# As a template in which `placeholder` stands for the value, and what is `special` in such a template stands twice.
# Lazy, since each request makes its fields and filters anew, and hardly one is refused.
choices_sentence = lazy(_say, str)


def name_choices(field: Any) -> None:
    """Let a field of a serializer, or each item of one that is a list, name its choices, unless it has own words."""
    field = getattr(field, "child", field)
    if not isinstance(field, serializers.ChoiceField):
        return
    if field.error_messages["invalid_choice"] == serializers.ChoiceField.default_error_messages["invalid_choice"]:
        field.error_messages["invalid_choice"] = choices_sentence(field.choices, "{input}", "{}")


class NamingFilterBackend(DjangoFilterBackend):
    """Filters that name their choices."""

    def get_filterset(self, request: Any, queryset: Any, view: Any) -> FilterSet | None:
        filterset: FilterSet | None = super().get_filterset(request, queryset, view)
        for field in filterset.form.fields.values() if filterset is not None else ():
            if isinstance(field, forms.ChoiceField) and not isinstance(field, forms.ModelChoiceField):
                choices: Any = field.choices
                keys = [key for key, _label in choices]
                field.error_messages["invalid_choice"] = choices_sentence(keys, "%(value)s", "%")
        return filterset
