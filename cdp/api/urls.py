"""/api/v1/: every endpoint that an app registered, the OpenAPI schema, and its page."""

from typing import Any

from django.urls import path, re_path
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView
from rest_framework.request import Request
from rest_framework.views import APIView

from cdp.api.problems import UnknownPath
from cdp.api.router import router
from cdp.discovery import discover

app_name = "api"


@extend_schema(exclude=True)
class Nowhere(APIView):
    """A path that is not served, in the form of all errors."""

    authentication_classes = ()
    permission_classes = ()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise UnknownPath


discover("api")

urlpatterns = [
    path("schema/", SpectacularAPIView.as_view(authentication_classes=(), permission_classes=()), name="schema"),
    path(
        "docs/",
        SpectacularSwaggerView.as_view(url_name="api:schema", authentication_classes=(), permission_classes=()),
        name="docs",
    ),
    *router.urls,
    re_path(r"", Nowhere.as_view()),
]
