"""The shop's side of collecting: messages go in by HTTP, as those of any SDK do."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from typing import Any

import orjson
import urllib3

from profiles.models import Source

# What the SDKs do: try again, later and later, also when told to wait.
RETRIES = urllib3.Retry(
    total=8, backoff_factor=0.3, status_forcelist=[429, 500, 502, 503, 504], allowed_methods=None, raise_on_status=True
)


class Door:
    """The collecting address of a running stack. Messages that were sent twice are taken once."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}v1/batch"
        self._pool = urllib3.PoolManager(retries=RETRIES, timeout=urllib3.Timeout(30))

    def send(self, source: Source, messages: Sequence[dict[str, Any]]) -> None:
        """Deliver a batch with the source's write key.

        Raises:
            urllib3.exceptions.HTTPError: the door did not open in several tries.
            RefusedError: it answered with anything but 200.
        """
        answer = self._pool.request(
            "POST",
            self._url,
            body=gzip.compress(orjson.dumps({"batch": messages}), compresslevel=1),
            headers={
                **urllib3.make_headers(basic_auth=f"{source.write_key}:"),
                "Content-Type": "application/json",
                "Content-Encoding": "gzip",
            },
        )
        if answer.status != 200:
            raise RefusedError(f"{self._url} answered {answer.status}: {answer.data[:200].decode(errors='replace')}")


class RefusedError(Exception):
    """The collecting address did not take a batch; the text is its answer."""
