"""What people say of being written to, when somebody tells it by hand or over the API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from cdp.models import User
from profiles.identity.retelling import retell
from profiles.models import Consent
from profiles.models.consent import MAX_NOTE
from profiles.refresh.enqueue import enqueue_changes
from profiles.refresh.people import lock_survivors

CLOCKS_DIFFER = timedelta(minutes=5)  # so far a caller's clock may be ahead
Key = tuple[int, str, Consent.State, datetime]  # profile id, channel, state, time as it was told
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ConsentError(ValueError):
    """A word that cannot be taken; `field` is what is wrong with it."""

    def __init__(self, field: str, message: str) -> None:
        self.field = field
        super().__init__(message)


@dataclass(frozen=True)
class Said:
    """One word of one person: `occurred_at` is when they gave it, `note` where it is from."""

    profile_id: int
    channel: str
    state: Consent.State
    occurred_at: datetime
    note: str = ""


def check(said: Said, *, now: datetime) -> None:
    """Raises ConsentError."""
    if said.channel not in settings.CONSENT_CHANNELS:
        known = ", ".join(settings.CONSENT_CHANNELS)
        raise ConsentError("channel", _("unknown channel; known: %s") % known)
    if said.occurred_at > now + CLOCKS_DIFFER:
        raise ConsentError("occurred_at", _("lies in the future"))
    if said.occurred_at < EPOCH:
        raise ConsentError("occurred_at", _("lies before 1970"))
    if len(said.note) > MAX_NOTE:
        raise ConsentError("note", _("is longer than %d characters") % MAX_NOTE)


def record_consents(words: Sequence[Said], *, user: User, now: datetime) -> int:
    """Write down words, each on who its profile is by now; returns how many were new.

    Words of people who were erased meanwhile are passed over.

    A word that stands there already (same person, channel, state and time, by hand) is not written twice. One of a
    clock that is ahead of ours counts from now on, and is known again by the time that was told. What another, later
    word said stays in force. No word of anybody's is ever changed or deleted; what was decided over them as people were
    joined (the stricter wins) is told again.

    Raises:
        ConsentError: of the first that cannot be taken. Nothing is written then.
    """
    for said in words:
        check(said, now=now)
    with transaction.atomic():
        # A merge moves the words of the absorbed, and would miss one that is being written: hence the locks.
        current = lock_survivors({said.profile_id for said in words})
        words = [said for said in words if said.profile_id in current]
        return write(words, current, user=user, now=now) if words else 0


def write(words: Sequence[Said], current: Mapping[int, int], *, user: User, now: datetime) -> int:
    """The rows, and what follows them; `current` says who each profile is by now."""
    rows = {(current[said.profile_id], said.channel, said.state, said.occurred_at): said for said in words}
    for row in written_already(rows):
        rows.pop(row, None)
    Consent.objects.bulk_create(
        (
            Consent(
                profile_id=profile_id,
                origin_id=profile_id,
                channel=channel,
                state=state,
                occurred_at=min(told_at, now),
                message_id=told_at.astimezone(UTC).isoformat() if told_at > now else "",
                user=user,
                recorded_at=now,
                note=said.note,
            )
            for (profile_id, channel, state, told_at), said in rows.items()
        ),
        batch_size=1000,
    )
    said = {(profile_id, channel) for profile_id, channel, *_rest in rows}
    # A word from before a join can change what was overruled at it.
    said |= retell({profile_id for profile_id, _channel in said})
    for channel in sorted({channel for _profile, channel in said}):
        people = sorted({profile_id for profile_id, of in said if of == channel})
        enqueue_changes(people, f"consent:{channel}", due_at=now)
    return len(rows)


def written_already(rows: Mapping[Key, Said]) -> list[Key]:
    """Those of the keys that stand in the table by hand; one query."""
    people, channels, _states, times = zip(*rows, strict=True)
    candidates = Consent.objects.filter(
        recorded_at__isnull=False,
        profile__in=set(people),
        channel__in=set(channels),
        occurred_at__range=(min(times) - CLOCKS_DIFFER, max(times)),
    )
    return [
        (profile_id, channel, Consent.State(state), datetime.fromisoformat(told_at) if told_at else occurred_at)
        for profile_id, channel, state, occurred_at, told_at in candidates.values_list(
            "profile_id", "channel", "state", "occurred_at", "message_id"
        )
    ]
