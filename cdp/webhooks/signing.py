"""Signatures as Standard Webhooks says (https://www.standardwebhooks.com/); receivers check them with its libraries."""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID

from standardwebhooks import Webhook as Signer

SECRET_BYTES = 32


def new_secret() -> str:
    """A secret in the form that the libraries take: `whsec_` and 32 random bytes in base64."""
    return f"whsec_{b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}"


def webhook_id(message_id: UUID) -> str:
    """The `webhook-id` of a message, by which receivers drop what they have had."""
    return f"msg_{message_id.hex}"


def signed_headers(message_id: UUID, body: str, *, keys: Iterable[str], now: datetime) -> dict[str, str]:
    """The three headers of a message; a signature for each of `keys`: two while a replaced secret is still good."""
    sent_at, name = now.astimezone(UTC), webhook_id(message_id)
    return {
        "webhook-id": name,
        "webhook-timestamp": str(int(sent_at.timestamp())),
        "webhook-signature": " ".join(Signer(key).sign(name, sent_at, body) for key in keys),
    }
