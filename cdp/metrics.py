"""`/metrics` for Prometheus. What the database knows is asked at each scrape: apps bring it in `<app>/metrics.py`.

What a web process counts of its own requests comes from django-prometheus. Only those see any of it who show a token
that may view runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_GET
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from cdp.api.authentication import TokenAuthentication
from cdp.models import UNFINISHED, Run, Webhook
from cdp.webhooks.backlog import backlogs

PERMISSION = "cdp.view_run"
Samples = Mapping[tuple[str, ...], float]  # figures by the values of their labels


@dataclass(frozen=True)
class Figure:
    """A figure by its labels, () for none; `load` asks for it. A counter only grows."""

    name: str
    help: str
    load: Callable[[], Samples]
    labels: tuple[str, ...] = ()
    is_counter: bool = False


_figures: dict[str, Figure] = {}


def register_figure(figure: Figure) -> Figure:
    _figures[figure.name] = figure
    return figure


class FiguresOfTheDatabase(Collector):
    """Asked at each scrape, so that it does not matter which process answers."""

    def collect(self) -> Iterable[Metric]:
        for figure in _figures.values():
            family: type[CounterMetricFamily] | type[GaugeMetricFamily]
            family = CounterMetricFamily if figure.is_counter else GaugeMetricFamily
            metric = family(figure.name, figure.help, labels=figure.labels)
            for labels, value in figure.load().items():
                metric.add_metric(labels, value)
            yield metric


@require_GET
def metrics(request: HttpRequest) -> HttpResponse:
    """All figures as Prometheus reads them; 401 without a token, 403 for one that may not view runs."""
    try:
        known = TokenAuthentication().authenticate(Request(request))
    except AuthenticationFailed:
        known = None
    if known is None:
        return HttpResponse(status=401, headers={"WWW-Authenticate": 'Bearer realm="metrics"'})
    if not known[0].has_perm(PERMISSION):
        return HttpResponse(status=403)
    return HttpResponse(b"".join(texts()), content_type=CONTENT_TYPE_LATEST)


def texts() -> Iterator[bytes]:
    """Ours first. They are in a registry of their own: the one of the process would ask them when it is made."""
    ours = CollectorRegistry(auto_describe=False)
    ours.register(FiguresOfTheDatabase())
    yield generate_latest(ours)
    yield generate_latest(REGISTRY)


def count_runs() -> Samples:
    """Unfinished runs by kind and state."""
    found = Run.objects.filter(state__in=UNFINISHED).values_list("kind", "state")
    counted: dict[tuple[str, ...], float] = {}
    for row in found:
        counted[row] = counted.get(row, 0) + 1
    return counted


def oldest_waiting_run() -> Samples:
    since = (
        Run.objects.filter(state=Run.State.QUEUED).order_by("created_at").values_list("created_at", flat=True).first()
    )
    return {(): (timezone.now() - since).total_seconds() if since else 0}


def webhooks_by_state() -> Samples:
    """How many hear, fail, were switched off by hand, and were given up."""
    by_hand = Webhook.Reason.BY_HAND
    counted: dict[tuple[str, ...], float] = {("on",): 0.0, ("failing",): 0.0, ("off",): 0.0, ("given_up",): 0.0}
    for disabled_at, reason, failing_since in Webhook.objects.values_list(
        "disabled_at", "disabled_reason", "failing_since"
    ):
        off = "off" if reason == by_hand else "given_up"
        counted[(off if disabled_at else "failing" if failing_since else "on",)] += 1
    return counted


def webhooks_behind() -> Samples:
    """How long the oldest change waits that a webhook has not been told, by webhook."""
    webhooks, now = list(Webhook.objects.order_by("key")), timezone.now()
    behind = backlogs(webhooks)
    since = {webhook.key: behind[webhook.pk].since for webhook in webhooks}
    return {(key,): max((now - at).total_seconds(), 0) if at else 0 for key, at in since.items()}


register_figure(Figure("strata_webhooks", "Webhooks by state.", webhooks_by_state, labels=("state",)))
register_figure(
    Figure(
        "strata_webhook_behind_seconds",
        "Age of the oldest change that a webhook has not been told.",
        webhooks_behind,
        labels=("webhook",),
    )
)
register_figure(Figure("strata_runs", "Runs that have not ended.", count_runs, labels=("kind", "state")))
register_figure(Figure("strata_run_wait_seconds", "Age of the oldest run that waits for a worker.", oldest_waiting_run))
