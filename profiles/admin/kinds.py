"""Identifier kinds: what counts as a key of a person, and how far it is trusted.

What a change means stands beside each field.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminExpandableTextareaWidget, UnfoldAdminSelectWidget

from cdp.admin.base import StrataAdmin, display, signed_in
from cdp.admin.meanwhile import MeanwhileForm
from cdp.audit import write_change
from cdp.disclosure import may_see_pii
from cdp.templatetags.numbers import grouped
from profiles.admin.conflicts import list_url
from profiles.admin.identity import identifier_text
from profiles.identity.normalise import all_normalisers
from profiles.masking import MASK
from profiles.models import IdentifierKind
from profiles.services.kinds import (
    KindInUse,
    blocked_in_conflict,
    count_over,
    delete_kind,
    known_among,
    move_kind,
    save_kind,
    use_of,
    why_fixed,
    why_kept,
)

HELP = {
    "key": _("What messages and files call it, in context.externalIds and mappings. It cannot be changed later."),
    "label": _("What people read. The labels that Strata ships are shown in each reader's language."),
    "normaliser": _("How its values are brought to one spelling. It is fixed from the first identifier on."),
    "limit_per_profile": _(
        "How many a person may have; empty for any number. A lower limit splits nobody: it only keeps more away."
    ),
    "is_personal": _(
        "Names a person, not a device. Who has one is known rather than anonymous; values are masked for those who may "
        "not see personal data. After a change, rules that ask who is known are refreshed in full."
    ),
    "blocked_values": _(
        "One a line. Such a value names nobody and is dropped from messages, beside null, 000 and the like, which are "
        "dropped for every kind. Identifiers that are there already stay with their profile until you split them off."
    ),
}


N_LINKED = 5  # identifiers of a message


def conflicts_of_blocked(kind: IdentifierKind, viewer: Any) -> list[tuple[str, str, str]]:
    """Blocked identifiers that open conflicts name: the list of these, the identifier, and how many, as people read it;
    nothing for who may not see conflicts.
    """
    if not viewer.has_perm("profiles.view_identityconflict"):
        return []
    found = blocked_in_conflict(kind)
    return [(list_url(each), identifier_text(each, viewer), grouped(n)) for each, n in found]


class BlockedValuesField(forms.CharField):
    """Values, one a line."""

    widget = UnfoldAdminExpandableTextareaWidget

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        lines = value if isinstance(value, list) else (value or "").splitlines()
        return [line.strip() for line in lines if line.strip()]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.to_python(initial) != self.to_python(data))


class KindForm(MeanwhileForm):
    """A kind; `refused` is what the service that saves it said of what was typed."""

    refused: ValidationError | None = None
    blocked_values = BlockedValuesField(
        label=capfirst(_("blocked values")), required=False, help_text=HELP["blocked_values"]
    )

    class Meta:
        model = IdentifierKind
        fields = ("key", "label", "normaliser", "limit_per_profile", "is_personal", "blocked_values")
        help_texts = HELP

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None:
            self.initial["label"] = gettext(self.instance.label)
        if "normaliser" in self.fields:
            self.fields["normaliser"] = forms.ChoiceField(
                label=capfirst(_("normaliser")),
                choices=all_normalisers().items(),
                initial="text",
                widget=UnfoldAdminSelectWidget,
                help_text=HELP["normaliser"],
                show_hidden_initial=self.instance.pk is not None,
            )

    def clean_label(self) -> str:
        """A shipped label that is left as it was shown stays in every language."""
        label: str = self.cleaned_data["label"]
        stored = self.instance.label
        return stored if stored and label == gettext(stored) else label

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        if self.refused is not None:
            for field, problems in self.refused.message_dict.items():
                self.add_error(field if field in self.fields else None, list(problems))
        return data


@admin.register(IdentifierKind)
class IdentifierKindAdmin(StrataAdmin):
    """Kinds of identifiers, the highest priority first; the arrows change their order."""

    form = KindForm
    list_display = ("shown_label", "key", "normaliser_read", "limit_read", "is_personal", "n_blocked", "place")
    ordering = ("priority",)
    sortable_by = ()
    fields = ("label", "key", "normaliser", "limit_per_profile", "is_personal", "blocked_values")
    read_fields = ("label_read", "key", "normaliser_read", "limit_read", "is_personal", "blocked_read")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.move_view)
        return [path("<int:pk>/move/<str:way>/", view, name="profiles_identifierkind_move"), *super().get_urls()]

    # --- Who may what ---

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Blocked values may be personal: who may not see them unmasked cannot edit them without losing them."""
        return may_see_pii(request.user) and bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        is_shipped = obj is not None and obj.is_built_in
        return not is_shipped and bool(super().has_delete_permission(request, obj))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if obj is None:
            return self.fields
        edited = self.fields if self.has_change_permission(request, obj) else self.read_fields
        names = ("normaliser_read" if name == "normaliser" and why_fixed(obj) else name for name in edited)
        return (*names, "use")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if obj is None:
            return ()
        fixed = tuple(name for name in self.get_fields(request, obj) if name not in self.fields)
        return (*fixed, "key") if self.has_change_permission(request, obj) else self.get_fields(request, obj)

    # --- Columns ---

    @display(description=_("label"))
    def shown_label(self, kind: IdentifierKind) -> str:
        return gettext(kind.label)

    @display(description=_("label"))
    def label_read(self, kind: IdentifierKind) -> str:
        return gettext(kind.label)

    @display(description=_("normaliser"))
    def normaliser_read(self, kind: IdentifierKind) -> str:
        return str(all_normalisers().get(kind.normaliser, kind.normaliser))

    @display(description=_("limit per profile"))
    def limit_read(self, kind: IdentifierKind) -> str:
        return gettext("any number") if kind.limit_per_profile is None else str(kind.limit_per_profile)

    @display(description=_("blocked values"))
    def n_blocked(self, kind: IdentifierKind) -> str:
        return str(len(kind.blocked_values) or "-")

    @display(description=_("blocked values"))
    def blocked_read(self, kind: Any) -> str:
        values = kind.blocked_values
        if values and kind.is_personal and not may_see_pii(kind.viewer):
            values = [MASK]
        return ", ".join(values) or "-"

    @display(description=_("priority"))
    def place(self, kind: Any) -> SafeString:
        """Its priority, with arrows for those who may change it."""
        may_move = self.may_change(kind.viewer)
        return render_to_string("profiles/kind_place.html", {"kind": kind, "may_move": may_move})

    @display(description=_("in use"))
    def use(self, kind: Any) -> SafeString:
        """Of the kind as it is: below a form that was refused, `kind` is what was typed."""
        stored = IdentifierKind.objects.get(pk=kind.pk)
        context = {
            "kind": stored,
            "use": use_of(stored),
            "why": why_fixed(stored),
            "conflicts": conflicts_of_blocked(stored, kind.viewer),
        }
        return render_to_string("profiles/kind_use.html", context)

    def may_change(self, user: Any) -> bool:
        return may_see_pii(user) and bool(user.has_perm("profiles.change_identifierkind"))

    # --- Changing ---

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """The form of this request, which shows what the service refused of it."""
        form = super().get_form(request, obj, change=change, **kwargs)
        return type(form.__name__, (form,), {"refused": getattr(request, "refused", None)})

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        """What the service refuses is rolled back, and the form comes again with what was typed and why."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except ValidationError as error:
            request.refused = error  # type: ignore[attr-defined]
            return super().changeform_view(request, object_id, form_url, extra_context)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save by the service, and say what the change leaves as it is."""
        save_kind(obj, user=signed_in(request), changed=form.written())
        if "limit_per_profile" in form.changed_data and (n := count_over(obj, obj.limit_per_profile)):
            text = ngettext(
                "%(n)d profile has more than that already. It stays as it is, and takes in no further one.",
                "%(n)d profiles have more than that already. They stay as they are, and take in no further one.",
                n,
            )
            messages.warning(request, text % {"n": n})
        if "blocked_values" in form.changed_data and (n := known_among(obj.blocked_values, obj)):
            text = ngettext(
                "%(n)d of the blocked values is an identifier already. It stays with its profile until you split "
                "it off.",
                "%(n)d of the blocked values are identifiers already. They stay with their profiles until you split "
                "them off.",
                n,
            )
            messages.warning(request, text % {"n": n})
            if conflicts := conflicts_of_blocked(obj, request.user):
                links = format_html_join(", ", '<a class="st-link" href="{}">{} ({})</a>', conflicts[:N_LINKED])
                said = gettext("Open conflicts name what is blocked, and stay until they are dismissed:")
                messages.warning(request, format_html("{} {}", said, links))

    def move_view(self, request: HttpRequest, pk: int, way: str) -> HttpResponse:
        """One step up or down in the order of the kinds."""
        kind = get_object_or_404(IdentifierKind, pk=pk)
        if request.method != "POST" or way not in ("up", "down") or not self.has_change_permission(request, kind):
            return HttpResponse(status=405 if request.method != "POST" else 403)
        with transaction.atomic():
            move_kind(kind, up=way == "up")
            moved = IdentifierKind.objects.get(pk=kind.pk)
            before, after = {"priority": kind.priority}, {"priority": moved.priority}
            write_change(signed_in(request), kind, before=before, after=after)
        return HttpResponseRedirect(reverse("admin:profiles_identifierkind_changelist"))

    def used_by(self, obj: Any) -> list[str]:
        """How many identifiers there are, and what else speaks of it."""
        return why_kept(obj)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        delete_kind(obj)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        try:
            return super().delete_view(request, object_id, extra_context)
        except KindInUse as error:  # since the question was asked
            messages.error(request, " ".join(error.messages))
            return HttpResponseRedirect(reverse("admin:profiles_identifierkind_change", args=[object_id]))
