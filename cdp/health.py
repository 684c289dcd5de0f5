"""Whether the site can work: `/health/`, open to everybody."""

from __future__ import annotations

import asyncio
from typing import Any

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from health_check.views import HealthCheckView
from redis.asyncio import Redis

CHECKS = {
    "database": "health_check.checks.Database",
    "broker": (
        "health_check.contrib.redis.Redis",
        {"client_factory": lambda: Redis.from_url(settings.CELERY_BROKER_URL)},
    ),
}
OK, UNAVAILABLE = "ok", "unavailable"


class ReadinessView(HealthCheckView):  # type: ignore[misc]
    """200 or 500 with `{"status", "checks": {name: status}}`, and nothing of where things are: nobody has signed in."""

    checks = tuple(CHECKS.values())

    async def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> JsonResponse:
        with self.get_executor() as executor:
            results = await asyncio.gather(*(check.get_result(executor) for check in self.get_checks()))
        checks = {name: UNAVAILABLE if result.error else OK for name, result in zip(CHECKS, results, strict=True)}
        is_ready = all(status == OK for status in checks.values())
        body = {"status": OK if is_ready else UNAVAILABLE, "checks": checks}
        return JsonResponse(body, status=200 if is_ready else 500)
