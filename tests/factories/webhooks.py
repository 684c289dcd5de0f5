"""Webhooks and what they hear."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import factory
from factory.django import DjangoModelFactory

from cdp.models import Subscription, Webhook, WebhookAttempt, WebhookMessage

MADE_AT = datetime(2026, 1, 1, tzinfo=UTC)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class WebhookFactory(DjangoModelFactory):
    """`WebhookFactory(hears=["segments"])` hears all of a feed from its start."""

    class Meta:
        model = Webhook
        skip_postgeneration_save = True

    key = factory.Sequence(lambda n: f"hook-{n}")
    name = "Shop"
    url = "https://hooks.example.com/strata"
    secret = SECRET
    next_at = MADE_AT

    @factory.post_generation
    def hears(self, create: bool, extracted: list[str] | None, **kwargs: Any) -> None:
        for feed in extracted or ():
            Subscription.objects.create(webhook=self, feed=feed)


class WebhookMessageFactory(DjangoModelFactory):
    class Meta:
        model = WebhookMessage

    webhook = factory.SubFactory(WebhookFactory)
    feed = "segments"
    state = WebhookMessage.State.DELIVERED
    created_at = MADE_AT


class WebhookAttemptFactory(DjangoModelFactory):
    class Meta:
        model = WebhookAttempt

    message = factory.SubFactory(WebhookMessageFactory)
    webhook = factory.SelfAttribute("message.webhook")
    at = MADE_AT
    status = 204
    took_ms = 12
    n_bytes = 345
