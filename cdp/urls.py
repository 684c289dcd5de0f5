"""Where each part is served."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/v1/", include("cdp.api.urls")),
    path("", include("profiles.api.collect_urls")),
    path("i18n/", include("django.conf.urls.i18n")),
]
