"""The dashboard: the cards that the apps bring, each behind its permission, and one of our own."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.template.loader import render_to_string

from cdp.admin.runs import kind_name, progress, thing_link
from cdp.cards import Card, cards_for, register_card
from cdp.models import Run
from cdp.subjects import subjects_of

N_RUNS = 8


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


register_card(Card(key="runs", order=90, template="cdp/cards/runs.html", permission="cdp.view_run", load=load_runs))
