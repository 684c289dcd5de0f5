"""Rejected messages: sent to the inbox again once the cause is corrected, edited, or thrown away."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple, Self

import orjson
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Max, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from cdp.copy import copy_rows
from cdp.models import Run, User
from cdp.runs import advance, queue_run
from cdp.stages import wake
from profiles.ingest.accept import as_payload
from profiles.ingest.message import MessageError
from profiles.models import InboxMessage, RejectedMessage, Violation
from profiles.problems import reason_in_words

REPLAY, DISCARD = "replay", "discard"  # kinds of runs
DONE = {REPLAY: "replayed", DISCARD: "discarded"}  # names of what runs count
CHUNK = 1_000
FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(9000, 1, 1)


@dataclass(frozen=True)
class Chosen:
    """Which rejected messages: those that fit all that is said. `since` and `until` are business days, both counted."""

    source: str = ""
    code: str = ""
    reason: str = ""
    since: str = ""
    until: str = ""

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """From filters by name; what is not said is left out."""
        return cls(**{name: str(value) for name, value in given.items() if value})

    def filter(self, messages: QuerySet[RejectedMessage]) -> QuerySet[RejectedMessage]:
        if self.source:
            messages = messages.filter(source__key=self.source)
        if self.code:
            messages = messages.filter(code=self.code)
        if self.reason:
            messages = messages.filter(reason__icontains=self.reason)
        if self.since:
            messages = messages.filter(rejected_at__gte=start_of(date.fromisoformat(self.since)))
        if self.until:
            messages = messages.filter(rejected_at__lt=end_of(date.fromisoformat(self.until)))
        return messages


class Replayed(NamedTuple):
    """How many went back to the inbox, and how many stay since they could not even be put there."""

    replayed: int = 0
    kept: int = 0


def start_of(day: date) -> datetime:
    """Of a business day; one that no message can be of becomes the next that one can."""
    bounded = min(max(day, FIRST_DAY), LAST_DAY)
    return timezone.make_aware(datetime.combine(bounded, time.min), timezone.get_default_timezone())


def end_of(day: date) -> datetime:
    """The start of the next business day."""
    return start_of(min(day, LAST_DAY) + timedelta(days=1))


@transaction.atomic
def replay(ids: Iterable[int]) -> Replayed:
    """Put messages back into the inbox, as they came in: each leaves the list in the same transaction, so exactly once.

    One that somebody else is replaying is passed over. What was processed meanwhile counts once, by message id.
    """
    rows = list(RejectedMessage.objects.filter(pk__in=list(ids)).order_by("pk").select_for_update(skip_locked=True))
    ready: list[tuple[RejectedMessage, str]] = []
    for row in rows:
        try:
            ready.append((row, as_payload(orjson.loads(row.payload))))
        except (MessageError, orjson.JSONDecodeError):
            continue
    copy_rows(
        InboxMessage._meta.db_table,
        ["source_id", "received_at", "sent_at", "payload"],
        ((row.source_id, row.received_at, row.sent_at, payload) for row, payload in ready),
    )
    RejectedMessage.objects.filter(pk__in=[row.pk for row, _payload in ready]).delete()
    if ready:
        wake("messages_accepted")
    return Replayed(len(ready), len(rows) - len(ready))


def discard(ids: Iterable[int]) -> int:
    """Throw messages away for good; returns how many."""
    n_deleted, _by_model = RejectedMessage.objects.filter(pk__in=list(ids)).delete()
    return n_deleted


def corrected(text: str) -> str:
    """The payload in place of one that was rejected. Raises ValidationError where the inbox takes no such."""
    try:
        return as_payload(orjson.loads(text))
    except orjson.JSONDecodeError as error:
        raise ValidationError(_("Not JSON: %(error)s") % {"error": error}) from error
    except MessageError as error:
        raise ValidationError(reason_in_words(str(error))) from error


def queue_for_all(kind: str, chosen: Chosen, *, user: User | None) -> Run:
    """Queue a run that replays or discards all that are chosen by now: what is rejected again waits."""
    last = chosen.filter(RejectedMessage.objects.all()).aggregate(last=Max("pk"))["last"] or 0
    subject = chosen.source or "all"
    return queue_run(kind, subject, user, {**asdict(chosen), "last": last}, cancellable=True)


def carry_out(run: Run) -> None:
    """A chunk a transaction, its count in the same one; cut off anywhere, what is left is done later.

    What cannot be replayed is passed over.
    """
    params = dict(run.params)
    last = params.pop("last")
    chosen = Chosen(**params).filter(RejectedMessage.objects.filter(pk__lte=last))
    total = run.total or chosen.count()
    done = run.done
    after = 0
    while ids := list(chosen.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[:CHUNK]):
        after = ids[-1]
        with transaction.atomic():
            done += replay(ids).replayed if run.kind == REPLAY else discard(ids)
            advance(run, done, total, **{DONE[run.kind]: done})
    advance(run, total, total, **{DONE[run.kind]: done}, kept=chosen.count())


def purge_rejected(*, now: datetime, days: int) -> int:
    """Delete messages that were rejected more than `days` days ago, a chunk a transaction; returns how many."""
    n_deleted = 0
    old = RejectedMessage.objects.filter(rejected_at__lt=now - timedelta(days=days)).order_by("rejected_at")
    while ids := list(old.values_list("pk", flat=True)[:CHUNK]):
        n_deleted += discard(ids)
    return n_deleted


def purge_examples(*, now: datetime, days: int) -> int:
    """Empty the examples of violations of more than `days` days ago, which hold personal data; returns of how many.

    Their counts stay.
    """
    last = timezone.localtime(now, timezone.get_default_timezone()).date() - timedelta(days=days)
    return Violation.objects.filter(day__lt=last).exclude(examples=[]).update(examples=[])
