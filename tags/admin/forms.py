"""The form of a tag and of its values, which differ by its kind."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from cdp.admin.keys import KeyedPartForm
from cdp.admin.people import possible_owners
from profiles.admin.holders import HolderForm, RulePartInline
from tags.bands import band_of
from tags.models import FILLED_BY_RULE, Tag, TagValue
from tags.score_models import score_models

FIELDS = ("name", "key", "kind", "lifecycle", "category", "owner", "description", "expires_after_days")
READ = tuple("owner_read" if name == "owner" else name for name in FIELDS)
MAX_INLINE = 200  # values in the form of a tag; those of a tag with more have pages of their own
BANDS = ("band_from", "band_to", "band_in")


class TagForm(HolderForm):
    """A tag; a rule tag has either one rule here or one for each value beneath."""

    score = forms.ChoiceField(
        label=_("Score"),
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text=_("Each value beneath is a band of it."),
    )

    class Meta:
        model = Tag
        fields = (*FIELDS, "rule")
        help_texts = {
            "kind": _(
                "By hand: people and imports put it on. By rule: always up to date. By score: its values are bands of "
                "a score. By import: files alone put it on."
            ),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "lifecycle" in self.fields:  # of a new one: later its page has buttons
            new = [Tag.Lifecycle.ACTIVE, Tag.Lifecycle.DRAFT]
            self.fields["lifecycle"].choices = [(each.value, each.label) for each in new]  # type: ignore[attr-defined]
        if "owner" in self.fields:
            self.fields["owner"].queryset = possible_owners(self.instance.owner_id)  # type: ignore[attr-defined]
        if "score" in self.fields:
            self.fields["score"].choices = [("", "-"), *score_choices()]  # type: ignore[attr-defined]
            bands = (
                [band_of(value.rule) for value in self.instance.values.all()]
                if self.instance.kind == Tag.Kind.SCORE
                else []
            )
            if bands and bands[0] is not None:
                self.fields["score"].initial = ".".join(bands[0].of)

    def clean(self) -> dict[str, Any]:
        """What stands in a field that is hidden for the kind is not meant."""
        data = super().clean()
        kind = data.get("kind", self.instance.kind)
        if kind != Tag.Kind.RULE:
            self.errors.pop("rule", None)
            data["rule"] = None
        if kind in FILLED_BY_RULE and "expires_after_days" in self.fields:
            self.errors.pop("expires_after_days", None)
            data["expires_after_days"] = None
        if kind == Tag.Kind.SCORE and "score" in self.fields and not data.get("score"):
            self.add_error("score", gettext("This field is required."))
        self.instance.asked_score = data.get("score", "")
        return data


class TagValueForm(KeyedPartForm):
    """A value, and its band where its tag is one by score."""

    band_from = forms.FloatField(label=_("From"), required=False, widget=UnfoldAdminDecimalFieldWidget)
    band_to = forms.FloatField(
        label=_("To, not included"),
        required=False,
        widget=UnfoldAdminDecimalFieldWidget,
        help_text=_("Of a number; empty: without end."),
    )
    band_in = forms.CharField(
        label=_("One of"),
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Of a text: its values, by comma, such as 111, 101."),
    )

    class Meta:
        model = TagValue
        fields = ("name", "key", "position", "rule")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        band = band_of(self.instance.rule)
        if band is not None and self.instance.tag.kind == Tag.Kind.SCORE:
            bounds = {"band_from": band.start, "band_to": band.end}
            given = {name: None if bound is None else f"{bound:.15g}" for name, bound in bounds.items()}
            given["band_in"] = ", ".join(band.among) or None
            self.initial.update({name: value for name, value in given.items() if value is not None})

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        among = [each.strip() for each in re.split("[,，、]", data.get("band_in", "") or "")]
        self.instance.asked_band = (data.get("band_from"), data.get("band_to"), tuple(filter(None, among)))
        return data


def score_choices() -> list[tuple[str, list[tuple[str, str]]]]:
    """The fields of each scoring model."""
    return [
        (str(model.label), [(f"{model.key}.{key}", str(field.label)) for key, field in model.fields.items()])
        for model in score_models().values()
    ]


class TagValueInline(RulePartInline):
    """Values; for rule tags the first whose rule matches wins."""

    model = TagValue
    form = TagValueForm
    fields = ("name", "key", "position", "rule", *BANDS)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Values that a hand or a file assigns have no rules; those who may edit bands see them as such."""
        fields = super().get_fields(request, obj)
        may_edit = self.has_change_permission(request, obj)
        if obj is None:
            return fields
        hidden = {"rule", "rule_read", *BANDS}
        if obj.kind == Tag.Kind.RULE:
            hidden = {*BANDS}
        elif obj.kind == Tag.Kind.SCORE:
            hidden = {"rule"} if may_edit else {*BANDS}
        return tuple(name for name in fields if name not in hidden)
