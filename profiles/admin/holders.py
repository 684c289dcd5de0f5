"""What the pages of tags, segments and tier schemes share: rules that are checked as a whole, and their refresh."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterable
from typing import Any, ClassVar
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cdp.admin.base import StrataAdmin, StrataChangeList, StrataStackedInline, display, signed_in
from cdp.admin.keys import KeyedForm
from cdp.admin.meanwhile import MeanwhileForm
from cdp.admin.runs import progress
from cdp.admin.suggest import suggest_used
from cdp.dependents import binding_on, dependents_of
from cdp.disclosure import may_see_pii
from cdp.models import Run, User
from cdp.rules.causes import Cause
from profiles.admin.refusals import RefusalPages, RefusedForm
from profiles.admin.rules import RULE_OVERRIDES, RuleWidget, count_in_words, rule_as_read, rules_in_short
from profiles.admin.versions import VersionPages
from profiles.models import HolderClock
from profiles.refresh.queue import queue_full_refresh
from profiles.refresh.saving import StillUsed


class HolderForm(MeanwhileForm, KeyedForm, RefusedForm):
    """A form that knows which version of the rule its editor saw, and shows what the service refused."""

    holder_key = ""
    seen_version = forms.IntegerField(widget=forms.HiddenInput, required=False)
    by_version = frozenset({"rule", "score", "seen_version"})

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["seen_version"].initial = self.instance.rule_version
        suggest_used(self, "category", type(self.instance))
        tell_holder(self, "rule", self.holder_key)

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        self.tell_what_was_refused()
        return data


def tell_holder(form: forms.Form | forms.ModelForm, name: str, holder_key: str) -> None:  # type: ignore[type-arg]
    """Whose rule the builder edits, which must not speak of it; where the form has such a field."""
    if name in form.fields and isinstance(form.fields[name].widget, RuleWidget):
        form.fields[name].widget.holder_key = holder_key


class HolderChangeList(StrataChangeList):
    """Puts the rules of a page into words, all together."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if hasattr(self.model, "rule"):
            rules = [thing.rule for thing in self.result_list]
            for thing, sentence in zip(self.result_list, rules_in_short(rules, request.user), strict=True):
                thing.sentence = sentence


class RulePartInline(StrataStackedInline):
    """The parts of a holder in their order, each with a rule: who only reads gets it in words, masked."""

    rule_field: ClassVar[str] = "rule"
    without_rule: ClassVar[Promise | str] = "-"
    formfield_overrides = {**StrataStackedInline.formfield_overrides, **RULE_OVERRIDES}
    ordering = ("position",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """As for what it is a part of: rules hold personal values."""
        return may_see_pii(request.user) and bool(super().has_change_permission(request, obj))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if self.has_change_permission(request, obj):
            return self.fields
        return tuple("rule_read" if name == self.rule_field else name for name in self.fields)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return () if self.has_change_permission(request, obj) else ("rule_read",)

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        formset = super().get_formset(request, obj, **kwargs)
        viewer, rule_field = request.user, self.rule_field
        holder_key = self.admin_site.get_model_admin(self.parent_model).holder_key(obj) if obj else ""

        class ViewedFormSet(formset):  # type: ignore[misc, valid-type]
            """Tells each part who looks at it, and its rule what it is to fill."""

            def add_fields(self, form: Any, index: int | None) -> None:
                super().add_fields(form, index)
                tell_holder(form, rule_field, holder_key)

            def get_queryset(self) -> Any:
                parts = super().get_queryset()
                for part in parts:
                    part.viewer = viewer
                return parts

        return ViewedFormSet

    @display(description=_("rule"))
    def rule_read(self, part: Any) -> SafeString | str:
        rule = getattr(part, self.rule_field)
        return str(self.without_rule) if rule is None else rule_as_read(rule, part.viewer)


class HolderAdmin(RefusalPages, VersionPages, StrataAdmin):
    """Something filled by rules. `save_thing` and `delete_thing` call the service that owns it."""

    change_form_outer_before_template = "profiles/refresh_bar.html"
    change_form_outer_after_template = "profiles/dependents_place.html"
    formfield_overrides = {**StrataAdmin.formfield_overrides, **RULE_OVERRIDES}
    holder_prefix: ClassVar[str]
    read_fieldsets: ClassVar[Any] = ()

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_refresh"
        view = self.admin_site.admin_view(self.refresh_view)
        dependents = self.admin_site.admin_view(self.dependents_view)
        return [
            path("<int:pk>/refresh/", view, name=name),
            path("<int:pk>/dependents/", dependents, name=name.replace("_refresh", "_dependents")),
            *self.version_urls(),
            *super().get_urls(),
        ]

    def holder_key(self, thing: Any) -> str:
        return f"{self.holder_prefix}:{thing.key}"

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[HolderChangeList]:
        return HolderChangeList

    @display(description=_("rule"))
    def in_words(self, thing: Any) -> str:
        return str(thing.sentence)

    @display(description=_("rule"))
    def rule_read(self, thing: Any) -> SafeString:
        return rule_as_read(thing.rule, thing.viewer)

    @display(description=_("owner"))
    def owner_read(self, thing: Any) -> str:
        """For who only reads: their page is not one that they may open."""
        return str(thing.owner or "-")

    # --- Who may what ---

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Rules hold personal values: who may not see them unmasked cannot edit them without losing them."""
        return may_see_pii(request.user) and bool(super().has_change_permission(request, obj))

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        if obj is not None and not self.has_change_permission(request, obj):
            return self.read_fieldsets
        return super().get_fieldsets(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        fixed = () if obj is None else ("key",)
        return (*fixed, *super().get_readonly_fields(request, obj))

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """With the button that refreshes, for those who may edit what a rule fills, and the history of its rules."""
        obj = kwargs.get("obj")
        if obj is not None and self.is_filled_by_rule(obj) and self.has_change_permission(request, obj):
            name = f"admin:{self.opts.app_label}_{self.opts.model_name}_refresh"
            context["refresh_url"] = reverse(name, args=[obj.pk])
        if obj is not None and self.has_rules(obj):
            name = f"admin:{self.opts.app_label}_{self.opts.model_name}_versions"
            context["versions_url"] = reverse(name, args=[obj.pk])
        if obj is not None:
            name = f"admin:{self.opts.app_label}_{self.opts.model_name}_dependents"
            context["dependents_url"] = reverse(name, args=[obj.pk])
        return super().render_change_form(request, context, *args, **kwargs)

    def is_filled_by_rule(self, thing: Any) -> bool:
        return True

    def has_rules(self, thing: Any) -> bool:
        """Whether there is a history of them to read."""
        return self.is_filled_by_rule(thing)

    # --- Saving: the service writes the thing and its parts as one ---

    @abstractmethod
    def save_thing(
        self, thing: Any, parts: list[Any], *, user: User, seen_version: int | None, changed: Collection[str] | None
    ) -> Run | None:
        """Save by the service; `parts` are the rows of the inline in their order, `changed` the fields that are to be
        saved of one that is there. Returns the refresh it queued.
        """

    @abstractmethod
    def delete_thing(self, thing: Any) -> None:
        """Delete by the service."""

    def told_to_form(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        return {**super().told_to_form(request, obj), "holder_key": self.holder_key(obj) if obj else ""}

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        """A new rule is counted once it is saved: that may take seconds, for which nobody else could save one."""
        answer = super().changeform_view(request, object_id, form_url, extra_context)
        if (rule := getattr(request, "saved_rule", None)) is not None:
            messages.info(request, count_in_words(rule))
        return answer

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Nothing yet: the parts are saved with it."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        parts = [part for formset in formsets for part in parts_of(formset)]
        run = self.save_thing(
            form.instance,
            parts,
            user=signed_in(request),
            seen_version=form.cleaned_data.get("seen_version"),
            changed=form.written() if change else None,
        )
        if run is not None:
            messages.success(request, gettext("Queued a refresh."))
            request.saved_rule = getattr(form.instance, "rule", None)  # type: ignore[attr-defined]

    # --- Refreshing and deleting ---

    def refresh_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Queue a refresh in full, then show the page with its progress."""
        thing = get_object_or_404(self.model, pk=pk)
        if request.method != "POST" or not self.has_change_permission(request, thing):
            return HttpResponse(status=405 if request.method != "POST" else 403)
        if not self.is_filled_by_rule(thing):
            raise Http404
        queue_full_refresh(self.holder_key(thing), user=signed_in(request), cause=Cause.CORRECTION)
        messages.success(request, gettext("Queued a refresh."))
        return self.back_to(pk)

    def dependents_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The card of what refers to it, which its page asks for."""
        thing = get_object_or_404(self.model, pk=pk)
        if not self.has_view_permission(request, thing):
            return HttpResponse(status=403)
        found = dependents_of(self.holder_key(thing))
        names = {part.key: part.name for part in self.parts_of_thing(thing)}
        context = {"rows": [(each, [names.get(part, part) for part in each.parts]) for each in found]}
        return TemplateResponse(request, "profiles/dependents.html", context)

    def parts_of_thing(self, thing: Any) -> Iterable[Any]:
        """Its values or tiers, which others may name."""
        return ()

    def used_by(self, obj: Any) -> list[str]:
        return [user.named for user in binding_on(self.holder_key(obj))]

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        try:
            return super().delete_view(request, object_id, extra_context)
        except StillUsed as error:
            messages.error(request, " ".join(error.messages))
            return self.back_to(object_id)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        self.delete_thing(obj)

    def back_to(self, pk: Any) -> HttpResponse:
        page = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        return HttpResponseRedirect(reverse(page, args=[pk]))


def edits_rules(request: HttpRequest, site: AdminSite) -> bool:
    """Whether somebody may write rules of any holder: to count them is to ask of everybody's personal values."""
    holders = [each for each in site._registry.values() if isinstance(each, HolderAdmin)]
    may_write = any(each.has_add_permission(request) or each.has_change_permission(request) for each in holders)
    return may_write and may_see_pii(request.user)


def parts_of(formset: Any) -> list[Any]:
    """The rows of an inline as they shall be, by position: not those marked for deletion, nor blank ones."""
    formset.save(commit=False)  # notes for the history what is new, changed and gone; writes nothing
    kept = [
        form.instance
        for form in formset.forms
        if form not in formset.deleted_forms and (form.instance.pk is not None or form.has_changed())
    ]
    return sorted(kept, key=lambda part: part.position)


def latest_run(subject: str) -> Run | None:
    """The last full refresh of a holder, such as `segment:loyal`."""
    return Run.objects.filter(kind="refresh", subject=subject).order_by("-id").first()


def refresh_state(holder_key: str, thing: Any) -> SafeString:
    """When a holder was last refreshed in full, how the run stands that is under way or failed, up to when it followed
    time, and what the last check found.
    """
    run = latest_run(holder_key)
    context = {
        "thing": thing,
        "bar": progress(run) if run is not None else "",
        "clock": HolderClock.objects.filter(holder=holder_key).first(),
        "runs_url": f"{reverse('admin:cdp_run_changelist')}?{urlencode({'q': holder_key})}",
    }
    return render_to_string("profiles/refresh_state.html", context)


def refresh_label(thing: Any) -> SafeString | str:
    """The state in one word, for lists: it costs no query."""
    if thing.refresh_error:
        return badge(gettext("Failed"), "danger")
    if thing.refreshed_at is None:
        return badge(gettext("Not filled yet"), "warning")
    return badge(gettext("Up to date"), "success")


def badge(text: str, kind: str) -> SafeString:
    """A word on a coloured ground; kinds: default, info, success, warning, danger."""
    return render_to_string("unfold/helpers/label.html", {"text": text, "type": kind})
