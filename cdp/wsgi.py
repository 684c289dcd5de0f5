"""The WSGI application that granian serves."""

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from cdp.chunked import with_chunked_bodies

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cdp.settings")

application = with_chunked_bodies(
    get_wsgi_application(), limit=max(settings.COLLECT_MAX_REQUEST_BYTES, settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
)
