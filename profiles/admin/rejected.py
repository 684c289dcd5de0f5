"""Rejected messages: why, and sending them to the inbox again."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RadioFilter
from unfold.decorators import action
from unfold.widgets import UnfoldAdminExpandableTextareaWidget

from cdp.admin.base import StrataAdmin, display, has_perm, signed_in
from cdp.admin.meanwhile import MeanwhileForm
from cdp.disclosure import may_see_pii
from cdp.ids import is_id
from cdp.locks import lock_edited
from profiles.masking import MASK, masking_for
from profiles.models import RejectedMessage, Source
from profiles.problems import reason_in_words
from profiles.services.rejected import DISCARD, REPLAY, Chosen, corrected, discard, queue_for_all, replay

PERMISSION = {REPLAY: "profiles.change_rejectedmessage", DISCARD: "profiles.delete_rejectedmessage"}


def pretty(payload: str) -> str:
    """A message as indented JSON; as it came where it is none, is nested too deeply, or holds half a surrogate pair,
    which no page can hold either.
    """
    try:
        found = json.loads(payload)  # noqa: TID251 - shown as it came, NaN and all digits
        indented = json.dumps(found, ensure_ascii=False, indent=2)
        indented.encode()
    except (ValueError, RecursionError):
        return payload
    return indented


def as_day(written: str | None) -> date | None:
    try:
        return date.fromisoformat(written) if written else None
    except ValueError:
        return None


class DayFilter(RadioFilter):  # type: ignore[misc]
    """Rejected on one business day, or since a few."""

    title = _("rejected")
    parameter_name = "day"
    days = {"today": 0, "week": 6, "month": 29}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        shown = [("today", _("Today")), ("week", _("In the last 7 days")), ("month", _("In the last 30 days"))]
        asked = as_day(request.GET.get("day"))
        return [*shown, *([(asked.isoformat(), asked.isoformat())] if asked else [])]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return Chosen(**days_of(self.value())).filter(queryset)


def days_of(value: str | None) -> dict[str, str]:
    """The first and last business day that a choice of DayFilter means."""
    if value in DayFilter.days:
        return {"since": (timezone.localdate() - timedelta(days=DayFilter.days[value])).isoformat()}
    asked = as_day(value)
    return {"since": asked.isoformat(), "until": asked.isoformat()} if asked else {}


def days_in_words(chosen: Chosen) -> str:
    """One day, or all since one."""
    return chosen.since if chosen.until or not chosen.since else gettext("since %(day)s") % {"day": chosen.since}


def chosen_source(written: str) -> Source | None:
    return Source.objects.filter(pk=int(written)).first() if is_id(written) else None


class RejectedForm(MeanwhileForm):
    """The message, which can be corrected before it is replayed."""

    payload = forms.CharField(
        label=_("message"),
        strip=False,
        widget=UnfoldAdminExpandableTextareaWidget(attrs={"class": "st-rule", "spellcheck": "false"}),
        help_text=_("As it came. It can be corrected here before it is replayed."),
    )

    class Meta:
        model = RejectedMessage
        fields = ("payload",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None:
            self.initial["payload"] = pretty(self.instance.payload)

    def clean_payload(self) -> str:
        """What cannot go into the inbox is refused here; what was not touched stays as it came."""
        written: str = self.cleaned_data["payload"]
        return corrected(written) if "payload" in self.changed_data else self.instance.payload


@admin.register(RejectedMessage)
class RejectedMessageAdmin(StrataAdmin):
    """Messages that could not be taken, newest first, with the reason."""

    form = RejectedForm
    empty_text = _("No message was rejected. One that cannot be taken stands here with its reason.")
    list_before_template = "profiles/rejected_bar.html"
    list_display = ("rejected_at", "source", "code", "shown_reason")
    list_filter = ("source", "code", DayFilter)
    list_select_related = ("source",)
    search_fields = ("reason",)
    search_help_text = _("Text in the reason")
    ordering = ("-id",)
    sortable_by = ()
    actions = ("replay_chosen", "discard_chosen")
    actions_submit_line = ("save_and_replay",)

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        about = ("source", "received_at", "rejected_at", "code", "shown_reason")
        return (*about, "payload" if self.may_edit(request) else "message")

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return tuple(name for name in self.get_fields(request, obj) if name != "payload")

    def may_edit(self, request: HttpRequest) -> bool:
        return has_perm(request, PERMISSION[REPLAY]) and may_see_pii(signed_in(request))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Without Django's own deletion, which asks about each row."""
        return {name: each for name, each in super().get_actions(request).items() if name != "delete_selected"}

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[RejectedMessage], search_term: str
    ) -> tuple[QuerySet[RejectedMessage], bool]:
        if search_term and not may_see_pii(signed_in(request)):
            return queryset.none(), False  # finding a message tells what is hidden in its reason
        return Chosen(reason=search_term.strip()).filter(queryset), False

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.all_view)
        return [path("all/", view, name="profiles_rejectedmessage_all"), *super().get_urls()]

    # --- Columns ---

    @display(description=_("reason"))
    def shown_reason(self, rejected: Any) -> str:
        return reason_in_words(masking_for(rejected.viewer).reason(rejected.code, rejected.reason))

    @display(description=_("message"))
    def message(self, rejected: Any) -> SafeString:
        text = pretty(rejected.payload) if may_see_pii(rejected.viewer) else MASK
        return format_html('<pre class="st-code">{}</pre>', text)

    # --- Replay ---

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        lock_edited(obj, form.written())  # replayed meanwhile, it would be saved as rejected anew
        super().save_model(request, obj, form, change)

    @admin.action(description=_("Replay"), permissions=["change"])
    def replay_chosen(self, request: HttpRequest, chosen: QuerySet[RejectedMessage]) -> None:
        self._replay(request, list(chosen.values_list("pk", flat=True)))

    @admin.action(description=_("Discard"), permissions=["delete"])
    def discard_chosen(self, request: HttpRequest, chosen: QuerySet[RejectedMessage]) -> None:
        n = discard(list(chosen.values_list("pk", flat=True)))
        said = ngettext("%(n)d message was discarded.", "%(n)d messages were discarded.", n) % {"n": n}
        self.message_user(request, said)

    @action(description=_("Save and replay"), permissions=["change"])  # type: ignore[untyped-decorator]
    def save_and_replay(self, request: HttpRequest, obj: RejectedMessage) -> None:
        self._replay(request, [obj.pk])

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        """A message that was replayed has no page any more."""
        if not RejectedMessage.objects.filter(pk=obj.pk).exists():
            return HttpResponseRedirect(reverse("admin:profiles_rejectedmessage_changelist"))
        return super().response_change(request, obj)  # type: ignore[no-any-return]

    def _replay(self, request: HttpRequest, ids: list[int]) -> None:
        done = replay(ids)
        if done.replayed:
            said = ngettext(
                "%(n)d message is back in the inbox. If it is refused again, it comes back here with its reason.",
                "%(n)d messages are back in the inbox. Those refused again come back here with their reason.",
                done.replayed,
            )
            self.message_user(request, said % {"n": done.replayed})
        if done.kept:
            said = ngettext(
                "%(n)d message stays: it is no message that the inbox takes. Correct it first.",
                "%(n)d messages stay: they are no messages that the inbox takes. Correct them first.",
                done.kept,
            )
            self.message_user(request, said % {"n": done.kept}, messages.WARNING)

    def all_view(self, request: HttpRequest) -> HttpResponse:
        """All that the filters of the list choose: how many, and what to do with them."""
        if not self.has_view_permission(request):
            return HttpResponse(status=403)
        chosen = self.chosen_of(request)
        back = f"{reverse('admin:profiles_rejectedmessage_changelist')}?{request.GET.urlencode()}"
        kind = request.POST.get("kind", "")
        if request.method == "POST" and kind in PERMISSION:
            if not has_perm(request, PERMISSION[kind]):
                return HttpResponse(status=403)
            run = queue_for_all(kind, chosen, user=signed_in(request))
            self.message_user(request, gettext("A run does it; this page shows how far it is."))
            return HttpResponseRedirect(reverse("admin:cdp_run_change", args=[run.pk]))
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("All that match"),
            "opts": self.opts,
            "n": chosen.filter(RejectedMessage.objects.all()).count(),
            "facts": self.facts_of(chosen),
            "back": back,
        }
        return TemplateResponse(request, "profiles/rejected_all.html", context)

    def chosen_of(self, request: HttpRequest) -> Chosen:
        """What the parameters of the list choose; those of a search only for who may see reasons."""
        asked = request.GET.get("source__id__exact", "")
        source = chosen_source(asked)
        if asked and source is None:
            raise Http404  # without this filter, all sources would be chosen
        sees = may_see_pii(signed_in(request))
        return Chosen(
            source=source.key if source else "",
            code=request.GET.get("code__exact", ""),
            reason=request.GET.get("q", "").strip() if sees else "",
            **days_of(request.GET.get("day")),
        )

    def facts_of(self, chosen: Chosen) -> list[tuple[str, str]]:
        """The filters in words."""
        code = RejectedMessage.Code(chosen.code).label if chosen.code in RejectedMessage.Code.values else chosen.code
        named = [
            (gettext("source"), chosen.source),
            (gettext("kind of reason"), str(code)),
            (gettext("Text in the reason"), chosen.reason),
            (gettext("rejected"), days_in_words(chosen)),
        ]
        return [(name, value) for name, value in named if value]
