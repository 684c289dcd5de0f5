"""Asking for a full refresh."""

from __future__ import annotations

from typing import Any

from cdp.models import Run, User
from cdp.rules.causes import Cause
from cdp.rules.holders import holder_of
from cdp.runs import queue_run

# Kinds of runs. The subject of a refresh is the key of its holder; what a refold is about, `attribute:KEY` or
# `source:KEY`.
REFRESH, CHECK, REFOLD = "refresh", "check", "refold"


NEW_RULES: dict[str, Any] = {}  # the params of a refresh because of which everybody may move


def queue_full_refresh(
    holder_key: str, *, user: User | None = None, cause: Cause = Cause.RULE, is_by_hand: bool = False
) -> Run:
    """Queue a full refresh of a holder, such as `segment:loyal`; one that waits already is enough.

    `is_by_hand`: somebody asks for it, though no rule is new.

    Raises KeyError where there is no such holder.
    """
    params: dict[str, Any] = NEW_RULES if cause is Cause.RULE else {"cause": cause.value}
    return queue_run(REFRESH, holder_of(holder_key).key, user, {"by_hand": True} if is_by_hand else params)


def waiting_for_new_rules() -> set[str]:
    """The keys of holders whose rules are new, and whose full refresh has not begun; one query."""
    waiting = Run.objects.filter(kind=REFRESH, state=Run.State.QUEUED, params=NEW_RULES)
    return set(waiting.values_list("subject", flat=True))
