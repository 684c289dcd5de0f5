"""The files of Segment's SDK for browsers, from an installed package: docs/adr says why none is kept here."""

from __future__ import annotations

import gzip
from pathlib import Path

from django.conf import settings
from django.http import HttpResponse

from profiles.api.body import CollectError

SNIPPET_SECONDS = 300  # for how long a browser keeps the file that the snippet names
BUNDLE_SECONDS = 365 * 24 * 3600  # that of a bundle, whose name changes with what is in it
MAIN_FILE = "standalone.js"


def browser_file(name: str, *, max_age: int) -> HttpResponse:
    """A JavaScript file of `ANALYTICS_JS_DIR`.

    Raises:
        CollectError: 404 where there is none, with the way out.
    """
    folder = settings.ANALYTICS_JS_DIR
    path = folder / name if folder else None
    if path is None or not path.is_file():
        message = "Set ANALYTICS_JS_DIR to the folder dist/umd of an installed @segment/analytics-next."
        raise CollectError(404, "no_such_file", message)
    response = HttpResponse(read(path), content_type="text/javascript; charset=utf-8")
    response["Cache-Control"] = f"public, max-age={max_age}"
    response["Content-Encoding"] = "gzip"
    return response


def read(path: Path) -> bytes:
    """The file as gzip, which every browser takes; the package brings it packed."""
    packed = path.with_name(f"{path.name}.gz")
    return packed.read_bytes() if packed.is_file() else gzip.compress(path.read_bytes())
