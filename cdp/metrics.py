"""`/metrics`: figures for Prometheus, asked of the database at each scrape; apps bring theirs in `<app>/metrics.py`.

Only those see them who show a token that may view runs. What a process counts of its requests is django-prometheus's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from cdp.api.authentication import TokenAuthentication
from cdp.models import Run
