"""What is done with a webhook beside its form: its attempts, a test, sending again, the switch, a new secret."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache

from cdp.admin.base import has_perm, signed_in
from cdp.disclosure import may_see_pii
from cdp.feeds import feeds
from cdp.keyset import keyset_page
from cdp.models import Webhook, WebhookAttempt, WebhookMessage
from cdp.webhooks.backlog import Waiting, count_waiting
from cdp.webhooks.manage import (
    disable_webhook,
    enable_webhook,
    replace_secret,
    send_again,
    send_since,
    send_test,
)
from cdp.webhooks.post import Trouble
from cdp.webhooks.signing import webhook_id

TAKEN, NOT_TAKEN = "taken", "not_taken"
OUTCOMES = {TAKEN: _("Taken"), NOT_TAKEN: _("Not taken")}
GRACES = {0: _("At once"), 1: _("An hour"), 24: _("A day"), 7 * 24: _("A week")}
GRACE_HOURS = 24


class WebhookPages:
    """Mixed into the admin of webhooks."""

    admin_site: Any
    opts: Any

    def webhook_urls(self) -> list[URLPattern]:
        views: dict[str, Callable[..., HttpResponse]] = {
            "attempts": self.attempts_view,
            "test": self.test_view,
            "again": self.again_view,
            "since": self.since_view,
            "switch": self.switch_view,
            "secret": self.secret_view,
        }
        return [
            path(f"<int:webhook_id>/{name}/", self.admin_site.admin_view(view), name=f"cdp_webhook_{name}")
            for name, view in views.items()
        ]

    def bar_context(self: Any, request: HttpRequest, webhook: Webhook) -> dict[str, Any]:
        """What the bar above the form offers; what waits is asked where one is off, for the choice of how to go on."""
        asked = webhook.subscriptions.all() if webhook.disabled_at else ()
        return {
            "webhook": webhook,
            "may_change": self.has_change_permission(request, webhook),
            "may_see_attempts": has_perm(request, "cdp.view_webhookattempt"),
            "waiting": sum(map(count_waiting, asked), Waiting()),
        }

    # --- Attempts ---

    def attempts_view(self: Any, request: HttpRequest, webhook_id: int) -> HttpResponse:
        """What was sent, the latest first, chosen by `?outcome=` and `?message=`; the page waits for what was asked."""
        webhook = get_object_or_404(Webhook, pk=webhook_id)
        if not has_perm(request, "cdp.view_webhookattempt"):
            raise PermissionDenied
        outcome, message = request.GET.get("outcome", ""), message_of(request.GET.get("message", ""))
        page = keyset_page(
            chosen_attempts(webhook, outcome, message),
            key="pk",
            after=request.GET.get("after", ""),
            newest_first=True,
        )
        sees = may_see_pii(request.user)
        context = {
            **self.page_context(request, webhook, gettext("Attempts")),
            "page": page,
            "table": [shown(attempt, sees=sees) for attempt in page.rows],
            "outcomes": OUTCOMES.items(),
            "outcome": outcome if outcome in OUTCOMES else "",
            "message": message.hex if message else "",
            "kept_query": f"outcome={outcome if outcome in OUTCOMES else ''}&message={message.hex if message else ''}",
            "asked": webhook.messages.filter(asked_at__isnull=False).count(),
            "may_change": self.has_change_permission(request, webhook),
            "sees": sees,
        }
        return TemplateResponse(request, "cdp/webhook_attempts.html", context)

    # --- Sending ---

    def test_view(self, request: HttpRequest, webhook_id: int) -> HttpResponse:
        """Ask for a test, and show the attempts, where it comes up."""
        webhook = self.webhook_to_change(request, webhook_id)
        if isinstance(webhook, HttpResponse):
            return webhook
        message = send_test(webhook, now=timezone.now())
        return HttpResponseRedirect(attempts_url(webhook, message))

    def again_view(self, request: HttpRequest, webhook_id: int) -> HttpResponse:
        """Ask for one more attempt of `message`."""
        webhook = self.webhook_to_change(request, webhook_id)
        if isinstance(webhook, HttpResponse):
            return webhook
        asked = message_of(request.POST.get("message", ""))
        message = get_object_or_404(WebhookMessage, webhook=webhook, pk=asked)
        send_again(message, now=timezone.now())
        return HttpResponseRedirect(attempts_url(webhook, message))

    def since_view(self, request: HttpRequest, webhook_id: int) -> HttpResponse:
        """Send all since a moment once more."""
        webhook = self.webhook_to_change(request, webhook_id)
        if isinstance(webhook, HttpResponse):
            return webhook
        given = request.POST.get("since", "")
        try:
            moment = timezone.make_aware(datetime.fromisoformat(given).replace(tzinfo=None))
            send_since(webhook, moment, user=signed_in(request), now=timezone.now())
        except (ValueError, OverflowError):
            messages.error(request, gettext("This is no time: %(text)s") % {"text": given[:40]})
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
        else:
            if webhook.disabled_at is None:
                messages.success(request, gettext("It goes again from there, in order. The receiver hears some twice."))
            else:
                messages.success(request, gettext("It will go on from there once it is switched on."))
        return HttpResponseRedirect(reverse("admin:cdp_webhook_change", args=[webhook_id]))

    # --- Switch and secret ---

    def switch_view(self, request: HttpRequest, webhook_id: int) -> HttpResponse:
        """Switch it off, or on: `to` is off, on, or now, which skips what waits."""
        webhook = self.webhook_to_change(request, webhook_id)
        if isinstance(webhook, HttpResponse):
            return webhook
        to = request.POST.get("to", "")
        if to == "off":
            disable_webhook(webhook, user=signed_in(request), now=timezone.now())
            messages.success(request, gettext("Switched off. What happens meanwhile is kept for it."))
        elif to in ("on", "now"):
            enable_webhook(webhook, from_now=to == "now", user=signed_in(request), now=timezone.now())
            messages.success(request, gettext("Switched on. The attempts show whether it is heard."))
        return HttpResponseRedirect(reverse("admin:cdp_webhook_change", args=[webhook_id]))

    def secret_view(self, request: HttpRequest, webhook_id: int) -> HttpResponse:
        """Ask how long the old secret stays good; then show the new one, once."""
        webhook = get_object_or_404(Webhook, pk=webhook_id)
        if not self.has_change_permission(request, webhook):  # type: ignore[attr-defined]
            raise PermissionDenied
        if request.method == "POST":
            given = request.POST.get("grace", "")
            hours = int(given) if given.isdecimal() and len(given) < 4 and int(given) in GRACES else GRACE_HOURS
            grace = timedelta(hours=hours)
            webhook = replace_secret(webhook, grace=grace, user=signed_in(request), now=timezone.now())
            return self.secret_page(request, webhook, title=gettext("Secret replaced"))
        context = self.page_context(request, webhook, gettext("Replace the secret"))
        context |= {"graces": GRACES.items(), "grace": GRACE_HOURS}
        return TemplateResponse(request, "cdp/webhook_new_secret.html", context)

    def secret_page(self, request: HttpRequest, webhook: Webhook, *, title: str) -> HttpResponse:
        """The secret, which no other page shows."""
        context = {**self.page_context(request, webhook, title), "secret": webhook.secret}
        if webhook.old_secret_until is not None:
            context["old_until"] = webhook.old_secret_until
        return never_cache(lambda request: TemplateResponse(request, "cdp/webhook_secret.html", context))(request)

    # --- Shared ---

    def webhook_to_change(self: Any, request: HttpRequest, webhook_id: int) -> Webhook | HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        webhook = get_object_or_404(Webhook, pk=webhook_id)
        if not self.has_change_permission(request, webhook):
            raise PermissionDenied
        return webhook

    def page_context(self, request: HttpRequest, webhook: Webhook, title: str) -> dict[str, Any]:
        return {
            **self.admin_site.each_context(request),
            "title": f"{webhook.name} · {title}",
            "opts": self.opts,
            "original": webhook,
            "webhook": webhook,
        }


def attempts_url(webhook: Webhook, message: WebhookMessage) -> str:
    return f"{reverse('admin:cdp_webhook_attempts', args=[webhook.pk])}?message={message.pk.hex}"


def message_of(text: str) -> UUID | None:
    """The id of a message, also as receivers know it; None for what is none."""
    try:
        return UUID(text.strip().removeprefix("msg_"))
    except ValueError:
        return None


def chosen_attempts(webhook: Webhook, outcome: str, message: UUID | None) -> QuerySet[WebhookAttempt]:
    rows = WebhookAttempt.objects.filter(webhook=webhook).select_related("message")
    if message is not None:
        rows = rows.filter(message=message)
    is_success = Q(status__gte=200, status__lt=300)
    if outcome in OUTCOMES:
        rows = rows.filter(is_success if outcome == TAKEN else ~is_success | Q(status__isnull=True))
    return rows


def shown(attempt: WebhookAttempt, *, sees: bool) -> dict[str, Any]:
    """A row of the table; the answer, which may quote what was sent, for those who see personal data."""
    feed, n = feeds().get(attempt.message.feed), attempt.message.n_changes
    about = ngettext("%(n)s change", "%(n)s changes", n) % {"n": f"{n:,}"}
    return {
        "attempt": attempt,
        "about": f"{feed.label if feed else attempt.message.feed} · {about}"
        if attempt.message.feed
        else gettext("Test"),
        "message_id": webhook_id(attempt.message_id),
        "hex": attempt.message_id.hex,
        "is_success": attempt.status is not None and 200 <= attempt.status < 300,
        "result": attempt.status or (Trouble(attempt.trouble).label if attempt.trouble else "-"),
        "answer": attempt.answer if sees else "",
        "is_hidden": bool(attempt.answer) and not sees,
    }
