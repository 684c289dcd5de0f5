"""Keys in forms: one that is left empty is made of the name, and the page shows meanwhile what it would be."""

from __future__ import annotations

from typing import Any

from django import forms
from django.apps import apps
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext
from django.views.decorators.http import require_GET

from cdp.keys import free_key_among, stem_of

MAX_NAME = 200


class KeyedForm(forms.ModelForm):  # type: ignore[type-arg]
    """Of a new thing the key may stay empty."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is None and "key" in self.fields:
            offer_key(self.fields["key"], type(self.instance))

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if self.instance.pk is None and "key" in self.fields and "key" not in self.errors:
            fill_key(data, type(self.instance))
        return data


class KeyedPartForm(forms.ModelForm):  # type: ignore[type-arg]
    """A part of a thing, such as a tier: of a new one the key may stay empty, which whoever saves it fills, and the
    position, which is the last then.
    """

    LAST = 32_767  # positions are counted anew as they are saved

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is None and "key" in self.fields:
            offer_key(self.fields["key"], type(self.instance))
            self.fields["position"].required = False
            self.fields["position"].help_text = gettext("Empty: after the others.")
            self.fields["position"].initial = self.initial["position"] = None

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        if self.instance.position is None:
            self.instance.position = self.LAST


def offer_key(field: forms.Field, model: type[Model]) -> None:
    """Let the field of a key stay empty, and have the page show what it would be."""
    field.required = False
    field.help_text = gettext("By which rules and programs name it. Empty: made of the name.")
    field.widget.attrs["data-key-url"] = f"{reverse('made_key')}?{urlencode({'of': model._meta.label_lower})}"


def fill_key(data: dict[str, Any], model: type[Model]) -> None:
    """Make the key of what a form gives of a new thing, where it gives a name and none."""
    if data.get("name") and not data.get("key"):
        data["key"] = free_key_among(model._default_manager, data["name"], otherwise=word_for(model))


def word_for(model: type[Model]) -> str:
    """What the key is of a thing whose name has nothing that can stand in one: the last word of what it is."""
    return str(model._meta.verbose_name_raw).rpartition(" ")[2]


@require_GET
def made_key(request: HttpRequest) -> HttpResponse:
    """The key that `name` would give a new thing `of` a model; of a part, its beginning."""
    name = request.GET.get("name", "").strip()[:MAX_NAME]
    try:
        model = apps.get_model(request.GET.get("of", ""))
    except (LookupError, ValueError):
        return HttpResponse(status=404)
    if not request.user.has_perm(f"{model._meta.app_label}.add_{model._meta.model_name}"):
        return HttpResponse(status=403)
    keys = [field for field in model._meta.fields if field.name == "key"]
    if not name or not keys:
        return HttpResponse("", content_type="text/plain")
    is_whole = keys[0].unique
    key = free_key_among(model._default_manager, name, otherwise=word_for(model)) if is_whole else stem_of(name, "")
    return HttpResponse(key, content_type="text/plain; charset=utf-8")
