"""Webhooks as dependents: while one hears a thing by name, the thing stays, lest the webhook fall silent unnoticed.

So it is also while the webhook is switched off: what it has not heard is kept for it, and would go with the thing.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.utils.translation import gettext as _

from cdp.dependents import Dependent, dependent, dependents
from cdp.feeds import feeds
from cdp.webhooks.models import Webhook


@dependents
def webhooks_that_hear(holder_key: str) -> Iterator[Dependent]:
    """Those that hear whatever happens in a feed are bound to none of it."""
    prefix, _colon, key = holder_key.partition(":")
    of = [feed.key for feed in feeds().values() if feed.holder == prefix]
    heard = Webhook.objects.filter(subscriptions__feed__in=of, subscriptions__subjects__contains=[key])
    for webhook in heard.distinct():
        note = _("a webhook") if webhook.disabled_at is None else _("a webhook that is switched off")
        yield dependent(webhook, note=note)
