"""Requests to the doors of the SDKs, and what came of them."""

import base64

import orjson

from profiles.models import InboxMessage

SHORT = {"t": "track", "i": "identify", "p": "page", "s": "screen", "g": "group", "a": "alias"}  # of paths


def basic(user):
    return "Basic " + base64.b64encode(f"{user}:".encode()).decode()


def post(client, path, body, *, content_type="application/json", **headers):
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return client.generic("POST", path, raw, content_type, headers=headers)


def payloads():
    return [orjson.loads(payload) for payload in InboxMessage.objects.order_by("id").values_list("payload", flat=True)]


def cors_of(response):
    return {name: value for name, value in response.items() if name.startswith("Access-Control-")}
