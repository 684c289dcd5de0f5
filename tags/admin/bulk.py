"""Putting a tag on many people, or taking it off: by a pasted list, a file, a segment, the list of people."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminDateWidget,
    UnfoldAdminFileFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from cdp.admin.base import has_perm, signed_in
from cdp.admin.runs import progress
from cdp.admin.searched import SearchedSelect
from cdp.disclosure import may_see_pii
from cdp.ids import is_id
from cdp.rules.catalogue import Wanted, catalogue
from cdp.rules.days import end_of
from profiles.admin.actions import register_profile_action
from profiles.admin.people import asked_again, chosen_people
from profiles.models import IdentifierKind, Profile
from profiles.services.preview import people_of_rule
from profiles.services.resolve import find_by_identifiers
from tags.admin.options import TO_ASSIGN_OR_REMOVE, choices_url, label_of
from tags.admin.people_file import identifiers_of
from tags.models import BulkTagging, Tag, TagValue
from tags.services.assign import check_by_hand
from tags.services.bulk import queue_bulk, queue_undo

MAX_LINES = 10_000
MAX_OPTIONS = 20
MAX_NAMED = 10
N_SHOWN = 20
MAY = {
    BulkTagging.Action.ASSIGN: "tags.add_tagassignment",
    BulkTagging.Action.REMOVE: "tags.delete_tagassignment",
}


class BulkForm(forms.Form):
    """What to do: with which tag and value, until when."""

    what = forms.ChoiceField(
        label=_("What to do"), choices=BulkTagging.Action.choices, widget=UnfoldAdminSelectWidget, required=True
    )
    choice = forms.CharField(label=_("Tag"), max_length=50)
    until = forms.DateField(
        label=_("Last day"),
        required=False,
        widget=UnfoldAdminDateWidget,
        help_text=_("Of what is assigned. Empty: as long as the tag says."),
    )

    def __init__(self, *args: Any, tags: QuerySet[Tag], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.tags = tags
        only = {"tag": str(tags[0].pk)} if len(tags[:2]) == 1 else {}
        self.fields["choice"].widget = SearchedSelect(choices_url(TO_ASSIGN_OR_REMOVE, **only), {"required": True})
        given = self.data.get("choice") or self.initial.get("choice") or self.only_choice()
        self.initial["choice"] = given
        if (chosen := self.chosen(given)) is not None:
            label = label_of(*chosen, has_values=chosen[0].values.exists())
            self.fields["choice"].widget.choices = [(given, label)]

    def only_choice(self) -> str:
        """Where there is but one: it needs no asking."""
        some = list(self.tags[:2])
        return f"{some[0].pk}:" if len(some) == 1 and not some[0].values.exists() else ""

    def chosen(self, choice: str) -> tuple[Tag, TagValue | None] | None:
        """The tag and its value, as `choices_view` names them; None where they are none of these."""
        tag_id, _colon, value_id = choice.partition(":")
        tag = self.tags.filter(pk=tag_id).first() if is_id(tag_id) else None
        if tag is None or not value_id:
            return None if tag is None else (tag, None)
        value = tag.values.filter(pk=value_id).first() if is_id(value_id) else None
        return None if value is None else (tag, value)

    def clean_choice(self) -> tuple[Tag, TagValue | None]:
        if (chosen := self.chosen(self.cleaned_data["choice"])) is None:
            raise ValidationError(gettext("Choose one of those that are offered."))
        return chosen

    def asked(self) -> dict[str, Any]:
        """What `queue_bulk` wants to know beside the people."""
        tag, value = self.cleaned_data["choice"]
        return {
            "tag": tag,
            "action": BulkTagging.Action(self.cleaned_data["what"]),
            "value": value,
            "expires_at": self.ends(tag),
        }

    def ends(self, tag: Tag) -> datetime | None:
        if self.cleaned_data["what"] == BulkTagging.Action.REMOVE:
            return None
        until = self.cleaned_data["until"]
        return end_of(until) if until else tag.end_of(timezone.now())


class PeopleForm(BulkForm):
    """And to whom: a pasted list, a file, or a segment."""

    kind = forms.ModelChoiceField(
        label=_("Kind of identifier"),
        queryset=IdentifierKind.objects.order_by("priority", "key"),
        required=False,
        widget=UnfoldAdminSelectWidget,
    )
    identifiers = forms.CharField(
        label=_("Identifiers, one a line"), required=False, widget=UnfoldAdminTextareaWidget(attrs={"rows": 6})
    )
    file = forms.FileField(
        label=_("or a file"),
        required=False,
        widget=UnfoldAdminFileFieldWidget,  # on any other its script writes the name into the first text of the form
        help_text=_(
            "A list or a table (CSV, NDJSON, Parquet): the column that looks like this kind counts, else the first."
        ),
        error_messages={"empty": _("The file is empty.")},
    )
    segment = forms.CharField(
        label=_("or everybody of a segment"),
        required=False,
        max_length=100,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Type a part of its name or key, and choose."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["segment"].widget.attrs |= {
            "list": "segments",
            "autocomplete": "off",
            "hx-get": reverse("admin:tags_segment_options"),
            "hx-trigger": "focus once, input changed delay:200ms",
            "hx-target": "#segments",
        }

    def clean_segment(self) -> str:
        """Its key, also where its name was typed and is no other's."""
        typed: str = self.cleaned_data["segment"].strip()
        if not typed or catalogue("segment").offer(Wanted(names=frozenset({typed}))):
            return typed
        found = [each for each in catalogue("segment").offer(Wanted(term=typed)) if each.label == typed]
        if not found:
            raise ValidationError(gettext("There is no segment “%(text)s”.") % {"text": typed})
        if len(found) > 1:
            keys = ", ".join(each.value for each in found)
            problem = gettext("Several segments are called “%(text)s”: write the key of one, %(keys)s.")
            raise ValidationError(problem % {"text": typed, "keys": keys})
        return found[0].value

    def clean_identifiers(self) -> list[str]:
        lines = list(dict.fromkeys(filter(None, map(str.strip, self.cleaned_data["identifiers"].splitlines()))))
        if len(lines) > MAX_LINES:
            problem = gettext("Write one to %(n)s identifiers, one a line.")
            raise ValidationError(problem % {"n": f"{MAX_LINES:,}"})
        return lines

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        lines, file = data.get("identifiers"), data.get("file")
        if not self.errors and sum(map(bool, (lines, file, data.get("segment")))) != 1:
            raise ValidationError(gettext("Paste identifiers, or choose a file, or a segment: one of them."))
        if (lines or file) and data.get("kind") is None:
            self.add_error("kind", gettext("Of which kind are they?"))
        if file and not self.errors:
            try:
                data["identifiers"] = identifiers_of(file, data["kind"].key)
            except ValidationError as error:
                self.add_error("file", error)
        return data


def may_tag(request: HttpRequest) -> bool:
    """Whoever puts in people by identifiers learns whose these are."""
    return all(has_perm(request, permission) for permission in MAY.values()) and may_see_pii(request.user)


def people_view(request: HttpRequest, tag_id: int, context: dict[str, Any]) -> HttpResponse:
    """The form for many people, and what was done with it, which can be taken back. A tag that no hand assigns, as it
    is a draft, has its history alone, and why.
    """
    tag = get_object_or_404(Tag, pk=tag_id)
    if not may_tag(request):
        return HttpResponse(status=403)
    refused = why_refused(tag)
    form = PeopleForm(
        None if refused else request.POST or None, request.FILES or None, tags=Tag.objects.filter(pk=tag.pk)
    )
    not_found: list[str] = []
    if form.is_valid():
        people, chosen_by, not_found = people_of(form)
        try:
            queue_bulk(
                **form.asked(),
                profile_ids=people,
                chosen_by=chosen_by,
                unknown=not_found,
                user=signed_in(request),
                now=timezone.now(),
            )
        except ValidationError as error:
            form.add_error(None, error.messages)
        else:
            said = ngettext("Queued for %(n)s person.", "Queued for %(n)s people.", len(people))
            messages.success(request, said % {"n": f"{len(people):,}"})
        warn_of(request, not_found)
        if not form.errors:
            return HttpResponseRedirect(reverse("admin:tags_tag_people", args=[tag.pk]))
    recent = BulkTagging.objects.filter(tag=tag).select_related("run__user", "undo_run", "value").defer("profile_ids")
    done = [
        (bulk, progress(bulk.run), progress(bulk.undo_run) if bulk.undo_run else "")
        for bulk in recent.order_by("-pk")[:N_SHOWN]
    ]
    further = {
        "title": f"{tag.name} · {gettext('Many people at once')}",
        "original": tag,
        "tag": tag,
        "form": form,
        "refused": refused,
        "done": done,
    }
    return TemplateResponse(request, "tags/people.html", {**context, **further})


def why_refused(tag: Tag) -> str:
    """Why no hand assigns it now; "" where one does."""
    try:
        check_by_hand(tag)
    except ValidationError as error:
        return " ".join(error.messages)
    return ""


def segment_options(request: HttpRequest) -> HttpResponse:
    """Segments whose name or key has what was typed, for the form."""
    if not may_tag(request):
        return HttpResponse(status=403)
    found = catalogue("segment").offer(Wanted(term=request.GET.get("segment", "")[:100], limit=MAX_OPTIONS))
    return TemplateResponse(request, "tags/segment_options.html", {"options": found})


def people_of(form: PeopleForm) -> tuple[list[int], str, list[str]]:
    """Who is meant, by which words, and the identifiers that nobody has."""
    if segment := form.cleaned_data["segment"]:
        members = people_of_rule({"op": "segment", "key": segment}, now=timezone.now())
        return members, gettext("segment %(key)s") % {"key": segment}, []
    lines, kind = form.cleaned_data["identifiers"], form.cleaned_data["kind"]
    found = find_by_identifiers([(kind.key, line) for line in lines])
    not_found = [line for line in lines if (kind.key, line) not in found]
    file = form.cleaned_data["file"]
    chosen_by = gettext("file %(name)s") % {"name": file.name} if file else gettext("a pasted list")
    return list(set(found.values())), chosen_by, not_found


def warn_of(request: HttpRequest, not_found: list[str]) -> None:
    if not_found:
        named = ", ".join(not_found[:MAX_NAMED]) + (", …" if len(not_found) > MAX_NAMED else "")
        n = len(not_found)
        message = ngettext("Nobody has this identifier: %(named)s", "Nobody has these identifiers: %(named)s", n)
        messages.warning(request, message % {"named": named})


def undo_view(request: HttpRequest, bulk_id: int) -> HttpResponse:
    """Take back what one run did."""
    bulk = get_object_or_404(BulkTagging.objects.defer("profile_ids"), pk=bulk_id)
    if request.method != "POST" or not may_tag(request):
        return HttpResponse(status=405 if request.method != "POST" else 403)
    try:
        queue_undo(bulk, user=signed_in(request))
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    else:
        messages.success(request, gettext("It is being taken back."))
    return HttpResponseRedirect(reverse("admin:tags_tag_people", args=[bulk.tag_id]))


@register_profile_action(*MAY.values(), for_all=_("Tag them…"), place=2)
@admin.action(description=_("Tag the chosen…"))
def tag_people(model_admin: Any, request: HttpRequest, queryset: QuerySet[Profile]) -> HttpResponse | None:
    """Ask for the tag, then put it on all who are chosen, or on all whom the filters find."""
    tags = Tag.objects.active().filter(kind=Tag.Kind.MANUAL).order_by("name")
    form = BulkForm(request.POST if "apply" in request.POST else None, tags=tags)
    people = queryset.order_by().values_list("pk", flat=True)
    if form.is_valid():
        asked = form.asked()
        try:
            bulk = queue_bulk(
                **asked,
                profile_ids=people,
                chosen_by=chosen_people(model_admin, request).words,
                user=signed_in(request),
                now=timezone.now(),
            )
        except ValidationError as error:
            form.add_error(None, error.messages)
        else:
            said = ngettext("Queued for %(n)s person.", "Queued for %(n)s people.", len(bulk.profile_ids))
            messages.success(request, said % {"n": f"{len(bulk.profile_ids):,}"})
            return HttpResponseRedirect(reverse("admin:tags_tag_people", args=[bulk.tag_id]))
    context = {
        **model_admin.admin_site.each_context(request),
        **asked_again(request),
        "title": gettext("Tag people"),
        "opts": model_admin.opts,
        "form": form,
        "has_tags": tags.exists(),
        "n_people": people.count(),
    }
    return TemplateResponse(request, "tags/tag_people.html", context)
