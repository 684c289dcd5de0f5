"""The platform under the apps: settings, rules, roles, runs, registries and the embedded servers."""

from cdp.celery import app as celery_app

__all__ = ["celery_app"]
