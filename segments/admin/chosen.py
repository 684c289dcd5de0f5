"""Saving any list of people as a segment: those ticked or all, by hand as they are now, or by the rule of the list."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminRadioSelectWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from cdp.admin.base import signed_in
from cdp.admin.keys import fill_key, offer_key
from cdp.disclosure import may_see_pii
from cdp.rules.describe import describe_rule
from cdp.rules.parse import parse_rule
from profiles.admin.actions import register_profile_action
from profiles.admin.by_rule import rule_in_address
from profiles.admin.people import asked_again, chosen_people
from profiles.models import Profile
from segments.admin.by_hand import being_put_in, put_in_page
from segments.admin.upkeep import reported
from segments.models import Segment
from segments.services.joining import queue_joining, save_people

BY_HAND, BY_RULE, INTO = "hand", "rule", "into"


class SaveForm(forms.Form):
    """A new segment of these people or of their rule, or one by hand that they join."""

    what = forms.ChoiceField(label=_("What"), widget=UnfoldAdminRadioSelectWidget)
    name = forms.CharField(label=_("Name"), max_length=100, required=False, widget=UnfoldAdminTextInputWidget)
    key = forms.SlugField(
        label=_("Key"),
        max_length=50,
        required=False,
        widget=UnfoldAdminTextInputWidget,
    )
    into = forms.ModelChoiceField(
        label=_("The segment by hand"), queryset=Segment.objects.none(), required=False, widget=UnfoldAdminSelectWidget
    )

    def __init__(self, *args: Any, n_people: int, has_rule: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offer_key(self.fields["key"], Segment)
        by_hand = Segment.objects.current().filter(kind=Segment.Kind.STATIC).order_by("name")
        now = ngettext("A new segment: this %(n)s person", "A new segment: these %(n)s people", n_people)
        choices = [(BY_HAND, now % {"n": f"{n_people:,}"})]
        if has_rule:
            choices.append((BY_RULE, gettext("A new segment by rule: whoever this list would show, always up to date")))
        if by_hand.exists():
            choices.append((INTO, gettext("Put them into a segment by hand that there is")))
            self.fields["into"].queryset = by_hand  # type: ignore[attr-defined]
        else:
            del self.fields["into"]
        self.fields["what"].choices = choices  # type: ignore[attr-defined]
        self.fields["what"].initial = BY_RULE if has_rule else BY_HAND

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if data.get("what") == INTO:
            if data.get("into") is None:
                self.add_error("into", gettext("Choose a segment."))
        elif not data.get("name") and "name" not in self.errors:
            self.add_error("name", gettext("This field is required."))
        elif "key" not in self.errors:
            fill_key(data, Segment)
        return data


@register_profile_action("segments.add_segment", "segments.add_membership", for_all=_("Save as a segment…"), place=1)
@admin.action(description=_("Save the chosen as a segment…"))
def save_people_as_segment(model_admin: Any, request: HttpRequest, queryset: QuerySet[Profile]) -> HttpResponse | None:
    """Ask what the segment is called, then make it of all who are chosen."""
    listed = chosen_people(model_admin, request)
    people = queryset.prefetch_related(None).order_by()
    n_people = people.count()
    rule = listed.rule if may_see_pii(request.user) else None
    given = request.POST if "apply" in request.POST else None
    form = SaveForm(given, n_people=n_people, has_rule=rule is not None)
    if form.is_valid() and (answer := save(request, form, people, listed.words, rule)) is not None:
        return answer
    context = {
        **model_admin.admin_site.each_context(request),
        **asked_again(request),
        "title": gettext("Save as a segment"),
        "opts": model_admin.opts,
        "form": form,
        "n_people": n_people,
        "words": listed.words,
        "sentence": describe_rule(parse_rule(rule)) if rule is not None else "",
    }
    return TemplateResponse(request, "segments/save_people.html", context)


def save(request: HttpRequest, form: SaveForm, people: QuerySet[Profile], words: str, rule: Any) -> HttpResponse | None:
    """What was asked for; None where it was refused, which the form then says."""
    asked = form.cleaned_data
    if asked["what"] == BY_RULE:
        named = urlencode({"name": asked["name"], "key": asked["key"]})
        return HttpResponseRedirect(f"{reverse('admin:segments_segment_add')}?{rule_in_address(rule)}&{named}")
    ids, user = list(people.values_list("pk", flat=True)), signed_in(request)
    try:
        if asked["what"] == INTO:
            segment = asked["into"]
            queue_joining(segment, ids, chosen_by=words, user=user)
        else:
            segment = save_people(ids, key=asked["key"], name=asked["name"], chosen_by=words, user=user)
    except ValidationError as error:
        for name, problems in reported(error, form).items():
            form.add_error(name, problems)
        return None
    messages.success(request, being_put_in(len(ids), segment))
    return HttpResponseRedirect(put_in_page(segment.pk))
