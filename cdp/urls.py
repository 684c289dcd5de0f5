"""Where each part is served."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from health_check.views import HealthCheckView
from redis.asyncio import Redis

READINESS_CHECKS = (
    "health_check.checks.Database",
    ("health_check.contrib.redis.Redis", {"client_factory": lambda: Redis.from_url(settings.CELERY_BROKER_URL)}),
)

urlpatterns = [
    path("health/", HealthCheckView.as_view(checks=READINESS_CHECKS), name="health"),
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("i18n/", include("django.conf.urls.i18n")),
    path("admin/", admin.site.urls),
    path("api/v1/", include("cdp.api.urls")),
    path("", include("profiles.api.collect_urls")),
]
