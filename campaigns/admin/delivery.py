"""Deliveries, and the outbox with the messages as they were written. Addresses and messages are personal data."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from campaigns.channels.outbox import NotInOutboxError, list_outbox, outbox_counts, read_message
from campaigns.models import Campaign, Delivery
from cdp.admin.base import ReadOnlyAdmin, display
from cdp.disclosure import may_see_pii
from profiles.admin.identity import person_link
from profiles.masking import MASK, mask_address

# Nothing runs, nothing is fetched: a message is somebody else's HTML.
FRAME_POLICY = (
    '<meta http-equiv="Content-Security-Policy" '
    "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\"><base target=\"_blank\">"
    "<style>body{font:14px/1.6 sans-serif;margin:16px}</style>"
)
STATE_LABELS = {
    Delivery.State.SENT: "success",
    Delivery.State.FAILED: "danger",
    Delivery.State.SUPPRESSED: "warning",
    Delivery.State.UNKNOWN: "danger",
}


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    """The ledger, the latest first."""

    empty_text = _("Nothing was planned yet. A campaign that is launched has one delivery for each person here.")
    list_display = ("person", "campaign", "tier", "state_shown", "reason", "address_shown", "settled_at")
    list_display_links = ("state_shown",)
    list_filter = ("state", "reason", "campaign")
    list_select_related = ("campaign", "tier", "profile")
    ordering = ("-id",)
    sortable_by = ()
    fields = (
        "person", "campaign", "tier", "content", "state_shown", "reason", "detail_shown", "address_shown", "planned_at",
        "not_before", "settled_at", "attempts_shown", "message",
    )  # fmt: skip

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("outbox/", wrap(self.outbox_view), name="campaigns_outbox"),
            path("outbox/<slug:key>/", wrap(self.outbox_campaign_view), name="campaigns_outbox_campaign"),
            path("outbox/<slug:key>/<int:delivery_id>/", wrap(self.message_view), name="campaigns_outbox_message"),
            *super().get_urls(),
        ]

    # --- Columns ---

    @display(description=_("profile"))
    def person(self, delivery: Any) -> SafeString:
        return person_link(delivery.profile, delivery.viewer)

    @display(description=_("state"))
    def state_shown(self, delivery: Delivery) -> SafeString:
        label = {"text": delivery.get_state_display(), "type": STATE_LABELS.get(Delivery.State(delivery.state), "info")}
        return render_to_string("unfold/helpers/label.html", label)

    @display(description=_("address"))
    def address_shown(self, delivery: Any) -> str:
        return mask_address(delivery.address, delivery.viewer) or "-"

    @display(description=_("detail"))
    def detail_shown(self, delivery: Any) -> str:
        """What a channel answers may quote the address."""
        return mask_address(delivery.detail, delivery.viewer) or "-"

    @display(description=_("attempts"))
    def attempts_shown(self, delivery: Any) -> SafeString:
        attempts = [
            (attempt, mask_address(attempt.detail, delivery.viewer)) for attempt in delivery.attempts.order_by("pk")
        ]
        return render_to_string("campaigns/attempts.html", {"attempts": attempts})

    @display(description=_("message"))
    def message(self, delivery: Delivery) -> SafeString | str:
        if delivery.campaign.channel != "outbox" or delivery.state != Delivery.State.SENT:
            return "-"
        url = reverse("admin:campaigns_outbox_message", args=[delivery.campaign.key, delivery.pk])
        return format_html('<a class="st-link" href="{}">{}</a>', url, _("Read the message"))

    # --- The outbox ---

    def outbox_view(self, request: HttpRequest) -> HttpResponse:
        """Campaigns with messages in the outbox."""
        names = dict(Campaign.objects.values_list("key", "name"))
        folders = [(key, names.get(key, key), n_messages) for key, n_messages in outbox_counts().items()]
        return self.page(request, "campaigns/outbox.html", _("Outbox"), {"folders": folders})

    def outbox_campaign_view(self, request: HttpRequest, key: str) -> HttpResponse:
        """The messages of one campaign, the latest first."""
        number = request.GET.get("page", "1")
        try:
            page = list_outbox(key, page=int(number) if number.isdecimal() else 1)
        except NotInOutboxError as error:
            raise Http404 from error
        sees = may_see_pii(request.user)
        rows = [
            (entry, mask_address(entry.to, request.user), entry.subject if sees else MASK) for entry in page.entries
        ]
        name = Campaign.objects.filter(key=key).values_list("name", flat=True).first() or key
        return self.page(request, "campaigns/outbox_campaign.html", name, {"key": key, "box": page, "rows": rows})

    def message_view(self, request: HttpRequest, key: str, delivery_id: int) -> HttpResponse:
        """One message in a frame where nothing runs; not for those who may not see personal data."""
        try:
            message = read_message(key, delivery_id)
        except NotInOutboxError as error:
            raise Http404 from error
        delivery = Delivery.objects.filter(pk=delivery_id).select_related("profile", "tier", "campaign").first()
        sees = may_see_pii(request.user)
        context = {
            "key": key,
            "delivery": delivery,
            "link": person_link(delivery.profile, request.user) if delivery is not None else "-",
            "message": message if sees else None,
            "frame": FRAME_POLICY + message.html if sees else "",
        }
        return self.page(request, "campaigns/message.html", message.subject if sees else MASK, context)

    def page(self, request: HttpRequest, template: str, title: Any, context: dict[str, Any]) -> HttpResponse:
        if not self.has_view_permission(request):
            return HttpResponse(status=403)
        shared = {**self.admin_site.each_context(request), "title": title, "opts": self.opts}
        return TemplateResponse(request, template, {**shared, **context})
