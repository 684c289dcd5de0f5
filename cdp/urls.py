"""Where each part is served."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from cdp.admin.keys import made_key
from cdp.health import ReadinessView
from cdp.metrics import metrics

handler400 = "cdp.api.handlers.bad_request"
handler404 = "cdp.api.handlers.page_not_found"
handler500 = "cdp.api.handlers.server_error"

urlpatterns = [
    path("health/", ReadinessView.as_view(), name="health"),
    path("metrics", metrics, name="metrics"),
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("i18n/", include("django.conf.urls.i18n")),
    path("admin/key/", admin.site.admin_view(made_key), name="made_key"),
    path("admin/", admin.site.urls),
    path("api/v1/", include("cdp.api.urls")),
    path("", include("profiles.api.collect_urls")),
]
