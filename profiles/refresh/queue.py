"""Asking for a full refresh."""

from __future__ import annotations

from cdp.models import Run, User
from cdp.rules.causes import Cause
from cdp.rules.holders import holder_of
from cdp.runs import queue_run

# Kinds of runs. The subject of a refresh is the key of its holder; what a refold is about, `attribute:KEY` or
# `source:KEY`.
REFRESH, CHECK, REFOLD = "refresh", "check", "refold"


def queue_full_refresh(holder_key: str, *, user: User | None = None, cause: Cause = Cause.RULE) -> Run:
    """Queue a full refresh of a holder, such as `segment:loyal`; one that waits already is enough.

    Whoever asks for it though no rule is new gives the cause `correction`: it then judges as the nightly check does.

    Raises KeyError where there is no such holder.
    """
    return queue_run(REFRESH, holder_of(holder_key).key, user, {} if cause is Cause.RULE else {"cause": cause.value})
