"""What the browser SDKs ask for before they send anything. Without these answers they stay silent."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from profiles.ingest.coerce import fixed_width
from profiles.models import Source


def segment_settings(source: Source) -> dict[str, Any]:
    """For analytics.js of Segment. It then signs with `apiKey`, and sends to `protocol://apiHost`.

    Without `apiHost` it would send to Segment itself.
    """
    public = urlsplit(settings.PUBLIC_URL)
    allowed = {"__default": {"enabled": True}}
    return {
        "integrations": {
            "Segment.io": {
                "apiKey": source.write_key,
                "apiHost": f"{public.netloc}{public.path.rstrip('/')}/v1",
                "protocol": public.scheme,
            }
        },
        "plan": {"track": allowed, "identify": allowed, "group": allowed},
        "metrics": {"sampleRate": 0},
        "analyticsNextEnabled": True,
        "edgeFunction": {},
        "middlewareSettings": {},
        "enabledMiddleware": {},
        "remotePlugins": [],
        "legacyVideoPluginsEnabled": False,
    }


def rudder_source_config(source: Source) -> dict[str, Any]:
    """For the browser SDK of RudderStack: a source without destinations, errors or metrics of its own."""
    off = {"enabled": False}
    return {
        "source": {
            "id": source.key,
            "name": source.name,
            "writeKey": source.write_key,
            "config": {"statsCollection": {"errors": off, "metrics": off}},
            "enabled": True,
            "workspaceId": "strata",
            "connections": [],
            "destinations": [],
            "dataplanes": {},
        },
        "updatedAt": fixed_width(source.created_at),
    }
