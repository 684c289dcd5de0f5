"""Many suggestions at once: accepted by a run, or rejected."""

from __future__ import annotations

from datetime import datetime

from django.db import connection, transaction
from django.db.models import QuerySet

from cdp.locks import advisory_lock
from cdp.models import Run, User
from cdp.runs import advance, queue_run
from profiles.identity.errors import IdentityError
from profiles.models import DuplicateSuggestion
from profiles.services.duplicates.model import DIFFERS, OTHER_FIRST
from profiles.services.duplicates.review import NotToReview, RejectedBefore, accept_suggestion, decide

ACCEPT_DUPLICATES = "accept_duplicates"  # kind of the runs
SUBJECT = "duplicates"
STEP = 20  # suggestions between two looks at whether to stop
MAX_REJECTED = 10_000  # in one call; some seconds
AT_ONCE = 1_000  # under the identity lock
State = DuplicateSuggestion.State


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

    Each is a transaction of its own, its count in the same one. Killed and run again, it goes on with those that are
    still open; what the run counts are those accepted, refused by a limit or a separation, left to people since they
    would join two who were rejected, and passed over since they were decided meanwhile.
    """
    ids = list(to_accept_at_least(run.params["at_least"]).order_by("-probability", "-pk").values_list("pk", flat=True))
    # Of these two, those refused are open still, and come again.
    run.counts = {"accepted": 0, "passed_over": 0} | run.counts | {"refused": 0, "rejected_before": 0}
    for done, suggestion_id in enumerate(ids):
        if done % STEP == 0:
            advance(run, done, len(ids))
        with transaction.atomic():
            run.counts[outcome(suggestion_id, user=run.user, now=now)] += 1
            run.save(update_fields=["counts"])
    advance(run, len(ids), len(ids))


def outcome(suggestion_id: int, *, user: User | None, now: datetime) -> str:
    """Accept one, and return as what a run counts it."""
    try:
        accept_suggestion(suggestion_id, user=user, now=now)
    except RejectedBefore:
        return "rejected_before"
    except IdentityError:
        return "refused"
    except NotToReview:
        return "passed_over"
    return "accepted"


def reject_suggestions(
    suggestions: QuerySet[DuplicateSuggestion], *, user: User | None, now: datetime, limit: int = MAX_REJECTED
) -> int:
    """Remember of those that are open, the most probable first, that they are two people; other open suggestions of the
    same two go with each. Returns how many were rejected; it stops at `limit`, or soon after.

    What was settled before stays as it was.
    """
    n_rejected = 0
    while n := reject_some(suggestions, user=user, now=now, limit=max(0, min(AT_ONCE, limit - n_rejected))):
        n_rejected += n
    return n_rejected


@transaction.atomic
def reject_some(suggestions: QuerySet[DuplicateSuggestion], *, user: User | None, now: datetime, limit: int) -> int:
    """The next ones, under the identity lock, in whose hold merges write suggestions too."""
    advisory_lock("identity")
    following = suggestions.filter(state=State.OPEN).order_by("-probability", "-pk").values_list("pk", flat=True)
    chosen = DuplicateSuggestion.objects.open().filter(pk__in=with_the_same_two(list(following[:limit])))
    return decide(chosen.locked(), State.REJECTED, user=user, now=now)


def with_the_same_two(suggestion_ids: list[int]) -> list[int]:
    """Ids of the open ones of these, and of the open ones that speak of the same two people, as they are by now."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH chosen AS (
                SELECT suggestion.id,
                    coalesce(one.merged_into_id, one.id) AS one,
                    coalesce(other.merged_into_id, other.id) AS other
                FROM profiles_duplicatesuggestion AS suggestion
                JOIN profiles_profile AS one ON one.id = suggestion.left_id
                JOIN profiles_profile AS other ON other.id = suggestion.right_id
                WHERE suggestion.id = ANY (%s) AND suggestion.state = 'open'
            )
            SELECT id FROM chosen
            UNION
            SELECT same.id
            FROM chosen
            JOIN profiles_profile AS one ON one.id = chosen.one OR one.merged_into_id = chosen.one
            JOIN profiles_profile AS other ON other.id = chosen.other OR other.merged_into_id = chosen.other
            JOIN profiles_duplicatesuggestion AS same
                ON same.left_id = least(one.id, other.id) AND same.right_id = greatest(one.id, other.id)
            WHERE chosen.one <> chosen.other AND same.state = 'open'
            """,
            [suggestion_ids],
        )
        return [row[0] for row in cursor.fetchall()]
