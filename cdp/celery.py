"""The Celery application. Workers and beat start as `celery -A cdp`."""

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_process_init

from cdp.garbage import collect_rarely

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cdp.settings")

app = Celery("strata")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def keep_logging(**_signal: Any) -> None:
    """Django has set it up: by Celery's own, values of rows would be logged (`cdp/logs.py`)."""


@worker_process_init.connect
def tend_garbage(**_signal: Any) -> None:
    collect_rarely()
