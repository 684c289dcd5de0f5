"""Webhooks: who is told of changes, whether they hear, and what they answered."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RadioFilter

from cdp.admin.base import StrataAdmin, StrataChangeList, display
from cdp.admin.webhook_form import OWN_FIELDS, feed_fields, form_for, hears_field, offered_feeds
from cdp.admin.webhook_pages import WebhookPages
from cdp.feeds import feeds
from cdp.locks import lock_edited
from cdp.models import Webhook
from cdp.rules.causes import Cause
from cdp.webhooks.backlog import Backlog, backlogs, count_waiting
from cdp.webhooks.manage import delete_webhook, save_webhook

ON, FAILING, OFF = "on", "failing", "off"


class StateFilter(RadioFilter):  # type: ignore[misc]
    """Whether they hear."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(ON, _("On")), (FAILING, _("Failing")), (OFF, _("Switched off"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Webhook]) -> QuerySet[Webhook]:
        if self.value() == FAILING:
            return queryset.filter(disabled_at__isnull=True, failing_since__isnull=False)
        return queryset.filter(disabled_at__isnull=self.value() == ON) if self.value() in (ON, OFF) else queryset


class WebhookChangeList(StrataChangeList):
    """Says how far the webhooks of the page are behind, all together."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        behind = backlogs(self.result_list)
        for webhook in self.result_list:
            webhook.backlog = behind[webhook.pk]


@admin.register(Webhook)
class WebhookAdmin(WebhookPages, StrataAdmin):
    """Webhooks: the service saves them with what they hear; the secret of a new one is shown once."""

    empty_text = _("No webhook yet. It tells another program of who came, went, moved and merged, as it happens.")
    change_form_outer_before_template = "cdp/webhook_bar.html"
    list_display = ("name", "host", "state", "heard", "behind", "succeeded_at", "owner")
    list_filter = (StateFilter,)
    list_select_related = ("owner",)
    search_fields = ("key", "name", "url")
    search_help_text = _("Key, name or address")
    ordering = ("name",)
    readonly_fields = ("state", "progress", "succeeded_at", "created_at", "signed_with")

    # --- The form ---

    @property
    def conditional_fields(self) -> dict[str, str]:
        """What of a feed is heard is asked where it is heard."""
        return {name: hears_field(feed) for feed in feeds().values() for name in feed_fields(feed)[1:]}

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        kwargs["form"] = form_for(offered_feeds(request.user))
        return super().get_form(request, obj, change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is not None and not self.has_change_permission(request, obj):
            return [(None, {"fields": OWN_FIELDS}), self._state_fields()]
        chosen = [name for feed in offered_feeds(request.user) for name in feed_fields(feed)]
        what = {
            "fields": [*chosen, "from_start"],
            "description": gettext("It is told of what happens in the feeds that are ticked, in order."),
        }
        form = [(None, {"fields": OWN_FIELDS}), (_("What it hears"), what)]
        return [*form, self._state_fields()] if obj is not None else form

    def _state_fields(self) -> tuple[Any, dict[str, Any]]:
        return _("State"), {"fields": ("state", "progress", "succeeded_at", "signed_with", "created_at")}

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """The key stays: programs know it by that."""
        return (*super().get_readonly_fields(request, obj), *(("key",) if obj is not None else ()))

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"owner": request.user.pk, **super().get_changeform_initial_data(request)}

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[WebhookChangeList]:
        return WebhookChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Webhook]:
        webhooks: QuerySet[Webhook] = super().get_queryset(request)
        return webhooks.prefetch_related("subscriptions")

    def get_urls(self) -> list[URLPattern]:
        return [*self.webhook_urls(), *super().get_urls()]

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """The page after a new one is that which shows its secret."""
        if (webhook := kwargs.get("obj")) is None:
            context |= {"show_save_and_add_another": False, "show_save_and_continue": False}
        else:
            context |= self.bar_context(request, webhook)
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Webhook, form: Any, change: bool) -> None:
        changed = form.written() if change else None
        with transaction.atomic():
            lock_edited(obj, changed)
            from_start = form.cleaned_data.get("from_start", False)
            save_webhook(obj, hears=form.hears(), now=timezone.now(), from_start=from_start, changed=changed)

    def delete_model(self, request: HttpRequest, obj: Webhook) -> None:
        delete_webhook(obj)

    def response_add(self, request: HttpRequest, obj: Webhook, post_url_continue: str | None = None) -> HttpResponse:
        """Show the secret once, on this page; it passes no message, cookie or session."""
        return self.secret_page(request, obj, title=gettext("Webhook made"))

    # --- Columns ---

    @display(description=_("receiver"), ordering="url")
    def host(self, webhook: Webhook) -> str:
        """The rest of the address may be secret, and is on the page of those who may change it."""
        return webhook.url.partition("//")[2].partition("/")[0]

    @display(description=_("state"), ordering="disabled_at")
    def state(self, webhook: Webhook) -> SafeString:
        return render_to_string("cdp/webhook_state.html", {"webhook": webhook})

    @display(description=_("what it hears"))
    def heard(self, webhook: Webhook) -> str:
        known = feeds()
        return ", ".join(
            sorted(str(known[each.feed].label) for each in webhook.subscriptions.all() if each.feed in known)
        )

    @display(description=_("not told yet"))
    def behind(self, webhook: Any) -> str:
        backlog: Backlog = webhook.backlog
        if backlog.since is None:
            return "-"
        said = ngettext("up to %(n)s change, since %(time)s", "up to %(n)s changes, since %(time)s", backlog.n_changes)
        return said % {"n": f"{backlog.n_changes:,}", "time": f"{timezone.localtime(backlog.since):%Y-%m-%d %H:%M}"}

    @display(description=_("not told yet"))
    def progress(self, webhook: Webhook) -> SafeString:
        """By feed, what waits for it."""
        known, causes = feeds(), dict(Cause.choices)
        rows = []
        for each in sorted(webhook.subscriptions.all(), key=lambda subscription: subscription.feed):
            chosen = [*each.subjects, *(str(causes.get(cause, cause)) for cause in each.causes)]
            rows.append(
                {
                    "name": known[each.feed].name if each.feed in known else each.feed,
                    "chosen": ", ".join(chosen),
                    "waiting": count_waiting(each),
                }
            )
        return render_to_string("cdp/webhook_progress.html", {"rows": rows})

    @display(description=_("signed with"))
    def signed_with(self, webhook: Webhook) -> SafeString | str:
        until = webhook.old_secret_until
        if webhook.old_secret and until is not None and until > timezone.now():
            return gettext("Two secrets: the replaced one is good until %(time)s.") % {
                "time": f"{timezone.localtime(until):%Y-%m-%d %H:%M}"
            }
        return gettext("One secret, which is shown when it is made.")
