"""A field of free text that offers what was written there before."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Model
from django.forms import Form, ModelForm
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminTextInputWidget

MAX_SUGGESTIONS = 200


class SuggestingInput(UnfoldAdminTextInputWidget):  # type: ignore[misc]
    """The browser narrows the suggestions to what is typed; anything else may be written too."""

    def __init__(self, suggestions: Iterable[str], attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs)
        self.suggestions = list(suggestions)

    def render(self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None) -> SafeString:
        place = f"{name}-suggestions"
        options = format_html_join("", '<option value="{}"></option>', ((each,) for each in self.suggestions))
        field = super().render(name, value, {**(attrs or {}), "list": place}, renderer)
        return format_html('{}<datalist id="{}">{}</datalist>', field, place, options)


def suggest_used(form: Form | ModelForm[Any], name: str, model: type[Model]) -> None:
    """Offer what rows of the model have in this field; one query."""
    if name not in form.fields:
        return
    field = form.fields[name]
    used = model._default_manager.exclude(**{name: ""}).order_by(name).values_list(name, flat=True).distinct()
    field.widget = SuggestingInput(used[:MAX_SUGGESTIONS])
    field.widget.attrs.update(field.widget_attrs(field.widget))
