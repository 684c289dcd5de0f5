"""The clock of a rule: whose answer time alone may change."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q

from cdp.rules.ast import Rule


def candidates(rule: Rule, *, after: datetime, until: datetime) -> list[Q]:
    """Conditions on Profile, none where time changes nothing: whose answer differs at `until` from that at `after`, and
    was not told of on the queue, meets one of them. They may be met by others too.

    Each is to be a query of its own, for UNION: under one OR none of the indexes would be used.
    """
    found = (condition.clock(after, until) for condition in rule.conditions())
    return [candidate for candidate in found if candidate is not None]
