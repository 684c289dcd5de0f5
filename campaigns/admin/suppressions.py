"""The list of addresses that are not written to. Addresses are personal data, and reasons may quote them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from campaigns.models import Suppression
from campaigns.services.suppressions import MAX_REASON, SuppressionError, lift_suppression, suppress_address
from cdp.admin.base import ReadOnlyAdmin, account, display, signed_in
from cdp.disclosure import may_see_pii
from profiles.admin.identity import KindField
from profiles.masking import mask_address, mask_identifier
from profiles.models import IdentifierKind
from profiles.templatetags.profile_values import channel_label


def channel_choices() -> list[tuple[str, Any]]:
    return [("", _("Every channel")), *((channel, channel_label(channel)) for channel in settings.CONSENT_CHANNELS)]


class SuppressionForm(forms.Form):
    kind = KindField(
        label=_("Kind of address"),
        queryset=IdentifierKind.objects.order_by("priority"),
        empty_label=None,
        widget=UnfoldAdminSelectWidget,
    )
    value = forms.CharField(
        label=_("Address"),
        max_length=400,
        widget=UnfoldAdminTextInputWidget,
        help_text=_(
            "As people write it, a phone from abroad with its country code. It need not belong to anybody yet."
        ),
    )
    channel = forms.ChoiceField(
        label=_("Channel"), choices=channel_choices, required=False, widget=UnfoldAdminSelectWidget
    )
    reason = forms.CharField(
        label=_("Reason"),
        max_length=MAX_REASON,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Somebody will ask why: “asked by phone”, “bounced twice”."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        email = IdentifierKind.objects.filter(key="email").first()
        self.initial.setdefault("kind", email.pk if email else None)


class LiftForm(forms.Form):
    reason = forms.CharField(
        label=_("Reason"), max_length=MAX_REASON, widget=UnfoldAdminTextInputWidget, help_text=_("It is kept.")
    )


@admin.register(Suppression)
class SuppressionAdmin(ReadOnlyAdmin):
    """The latest first; found by the address as somebody writes it, by those who may see addresses."""

    empty_text = _(
        "Every address may be written to. Add those that must not be here, or import a list of them from a file."
    )
    list_display = ("address", "kind_label", "channel_shown", "reason_shown", "source", "user", "created_at")
    list_filter = ("channel", "kind", "source")
    list_select_related = ("kind", "source", "user")
    ordering = ("-id",)
    sortable_by = ()
    fields = ("address", "kind_label", "channel_shown", "reason_shown", "source", "by", "created_at")
    readonly_fields = fields
    search_fields = ("value",)  # shows the search box; get_search_results decides what it finds
    search_help_text = _("The whole address")

    # --- Who may what: those who see addresses ---

    def has_add_permission(self, request: HttpRequest) -> bool:
        return may_see_pii(request.user) and signed_in(request).has_perm("campaigns.add_suppression")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_see_pii(request.user) and signed_in(request).has_perm("campaigns.delete_suppression")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Suppression], search_term: str
    ) -> tuple[QuerySet[Suppression], bool]:
        if not search_term.strip():
            return queryset, False
        if not may_see_pii(request.user):
            messages.warning(request, gettext("Only those who may see personal data find addresses."))
            return queryset.none(), False
        return queryset.written_as(search_term), False  # type: ignore[attr-defined]

    # --- Columns ---

    @display(description=_("address"))
    def address(self, suppression: Any) -> str:
        return mask_identifier(suppression.kind.key, suppression.value, suppression.viewer)

    @display(description=_("kind"))
    def kind_label(self, suppression: Suppression) -> str:
        return gettext(suppression.kind.label)

    @display(description=_("channel"))
    def channel_shown(self, suppression: Suppression) -> str:
        return str(channel_label(suppression.channel) if suppression.channel else gettext("Every channel"))

    @display(description=_("reason"))
    def reason_shown(self, suppression: Any) -> str:
        return mask_address(suppression.reason, suppression.viewer) or "-"

    @display(description=_("by"))
    def by(self, suppression: Any) -> SafeString | str:
        return account(suppression.user, suppression.viewer)

    # --- Adding and removing ---

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = SuppressionForm(request.POST or None)
        if form.is_valid():
            try:
                suppression, is_new = suppress_address(
                    **{"written": form.cleaned_data.pop("value"), **form.cleaned_data},
                    user=signed_in(request),
                    now=timezone.now(),
                )
            except SuppressionError as error:
                form.add_error(error.field, str(error))
            else:
                said = (
                    gettext("Nothing is sent to this address any more.")
                    if is_new
                    else gettext("This address was on the list already, and stays there.")
                )
                messages.success(request, said)
                return HttpResponseRedirect(reverse("admin:campaigns_suppression_change", args=[suppression.pk]))
        return self.form_page(
            request, form, title=gettext("An address not to be written to"), button=gettext("Put on the list")
        )

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        suppression = self.get_object(request, object_id)
        if suppression is None:
            return HttpResponseRedirect(reverse("admin:campaigns_suppression_changelist"))
        if not self.has_delete_permission(request, suppression):
            raise PermissionDenied
        form = LiftForm(request.POST or None)
        if form.is_valid():
            lift_suppression(suppression, reason=form.cleaned_data["reason"], user=signed_in(request))
            messages.success(request, gettext("The address may be written to again."))
            return HttpResponseRedirect(reverse("admin:campaigns_suppression_changelist"))
        title = gettext("Take %(address)s off the list?") % {"address": self.address(suppression)}
        return self.form_page(request, form, title=title, button=gettext("Take off the list"), original=suppression)

    def form_page(
        self, request: HttpRequest, form: forms.Form, *, title: str, button: str, original: Suppression | None = None
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "original": original,
            "form": form,
            "button": button,
        }
        return TemplateResponse(request, "campaigns/suppression.html", context)
