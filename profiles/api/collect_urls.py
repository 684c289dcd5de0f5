"""The paths of collecting, with and without a trailing slash: a redirect would lose the body."""

from profiles.api.collect import collect_urlpatterns

urlpatterns = collect_urlpatterns
