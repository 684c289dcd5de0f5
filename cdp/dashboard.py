"""The dashboard: the cards that the apps bring, each behind its permission, and one of our own."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.template.loader import render_to_string

from cdp.admin.runs import kind_name, progress, thing_link
from cdp.cards import Card, cards_for, register_card
from cdp.models import Run, Webhook
from cdp.subjects import subjects_of

N_RUNS = 8
N_WEBHOOKS = 8
TIRING = 5  # failures in a row, in a quarter of an hour: what mends by itself has mended by then


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add the cards that this user may see to the context of the index page."""
    cards = [
        (card, render_to_string(card.template, card.load(request), request=request)) for card in cards_for(request)
    ]
    return {**context, "cards": cards, "is_fullwidth": "1"}


def load_runs(request: HttpRequest) -> dict[str, Any]:
    """The last runs, those under way with a bar that moves."""
    runs = list(Run.objects.select_related("user").order_by("-id")[:N_RUNS])
    subjects = subjects_of(runs)
    return {"runs": [(run, kind_name(run), thing_link(subjects[run.pk]), progress(run)) for run in runs]}


def load_webhooks(request: HttpRequest) -> dict[str, Any]:
    """Those that were switched off by themselves, then those that will be."""
    webhooks = Webhook.objects.in_trouble(n_failures=TIRING)[:N_WEBHOOKS]
    return {"webhooks": webhooks, "disable_days": settings.WEBHOOK_DISABLE_DAYS}


register_card(
    Card(
        key="webhooks",
        order=5,
        template="cdp/cards/webhooks.html",
        permission="cdp.view_webhook",
        load=load_webhooks,
    )
)
register_card(Card(key="runs", order=90, template="cdp/cards/runs.html", permission="cdp.view_run", load=load_runs))
