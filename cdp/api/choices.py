"""What is none of the choices of a field or filter is refused with those that there are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django_filters import FilterSet
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework import serializers


def known_choices(value: str, choices: Iterable[object]) -> str:
    """The sentence, with `value` where it comes; what is empty is no choice that anybody would write."""
    known = ", ".join(str(choice) for choice in choices if choice not in ("", None))
    return _("“%(value)s” is not known; known: %(known)s") % {"value": value, "known": known}


def name_choices(field: Any) -> None:
    """Let a field of a serializer, or each item of one that is a list, name its choices, unless it has own words."""
    field = getattr(field, "child", field)
    if not isinstance(field, serializers.ChoiceField):
        return
    if field.error_messages["invalid_choice"] == serializers.ChoiceField.default_error_messages["invalid_choice"]:
        said = known_choices("\0", field.choices).replace("{", "{{").replace("}", "}}")
        field.error_messages["invalid_choice"] = said.replace("\0", "{input}")


class NamingFilterBackend(DjangoFilterBackend):
    """Filters that name their choices."""

    def get_filterset(self, request: Any, queryset: Any, view: Any) -> FilterSet | None:
        filterset: FilterSet | None = super().get_filterset(request, queryset, view)
        for field in filterset.form.fields.values() if filterset is not None else ():
            if isinstance(field, forms.ChoiceField) and not isinstance(field, forms.ModelChoiceField):
                choices: Any = field.choices
                said = known_choices("\0", (key for key, _label in choices)).replace("%", "%%")
                field.error_messages["invalid_choice"] = said.replace("\0", "%(value)s")
        return filterset
