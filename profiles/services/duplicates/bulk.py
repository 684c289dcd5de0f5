"""Accepting many suggestions at once, as a run."""

from __future__ import annotations

from datetime import datetime

from django.db.models import QuerySet

from cdp.models import Run, User
from cdp.runs import advance, queue_run
from profiles.identity.errors import IdentityError
from profiles.models import DuplicateSuggestion
from profiles.services.duplicates.model import DIFFERS, OTHER_FIRST
from profiles.services.duplicates.review import NotToReview, RejectedBefore, accept_suggestion

ACCEPT_DUPLICATES = "accept_duplicates"  # kind of the runs
SUBJECT = "duplicates"
STEP = 20  # suggestions between two looks at whether to stop


def to_accept_at_least(probability: float) -> QuerySet[DuplicateSuggestion]:
    """Open suggestions at least so probable of which no field differs: twins and couples are for people to judge."""
    sure = DuplicateSuggestion.objects.open().filter(probability__gte=probability)
    for level in (DIFFERS, OTHER_FIRST):
        sure = sure.exclude(evidence__contains=[{"level": level}])
    return sure


def queue_acceptance(probability: float, *, user: User) -> Run:
    """Queue the acceptance of those that are at least so probable."""
    return queue_run(ACCEPT_DUPLICATES, SUBJECT, user=user, params={"at_least": probability}, cancellable=True)


def accept_at_least(run: Run, *, now: datetime) -> None:
    """Accept what `to_accept_at_least(run.params["at_least"])` names, the most probable first.

    Each is a transaction of its own. Killed and run again, it goes on with those that are still open; what the run
    counts are those accepted, refused by a limit or a separation, left to people since they would join two who were
    rejected, and passed over since they were decided meanwhile.
    """
    ids = list(to_accept_at_least(run.params["at_least"]).order_by("-probability", "-pk").values_list("pk", flat=True))
    counts = {name: run.counts.get(name, 0) for name in ("accepted", "passed_over")}
    counts |= {"refused": 0, "rejected_before": 0}  # these are open still, and come again
    for done, suggestion_id in enumerate(ids):
        if done % STEP == 0:
            advance(run, done, len(ids), **counts)
        try:
            accept_suggestion(suggestion_id, user=run.user, now=now)
            counts["accepted"] += 1
        except RejectedBefore:
            counts["rejected_before"] += 1
        except IdentityError:
            counts["refused"] += 1
        except NotToReview:
            counts["passed_over"] += 1
    advance(run, len(ids), len(ids), **counts)
