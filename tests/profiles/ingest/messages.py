"""Messages as SDKs send them, for tests; `send` accepts and processes them."""

import itertools
from datetime import UTC, datetime, timedelta

from profiles.ingest.accept import accept_messages
from profiles.ingest.process import Processed, process_batch
from profiles.models import Event, Identifier

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
numbers = itertools.count(1)


def message(type_, *, user=None, anonymous=None, at=0, id=None, **fields):
    """A message `at` minutes after START; `user` and `anonymous` are its ids."""
    return {
        "type": type_,
        "messageId": id or f"m{next(numbers)}",
        "timestamp": (START + timedelta(minutes=at)).isoformat(),
        "userId": user,
        "anonymousId": anonymous,
        **fields,
    }


def identify(*, user=None, anonymous=None, at=0, id=None, **traits):
    return message("identify", user=user, anonymous=anonymous, at=at, id=id, traits=traits)


def track(event, *, user=None, anonymous=None, at=0, id=None, **properties):
    return message("track", user=user, anonymous=anonymous, at=at, id=id, event=event, properties=properties)


def send(source, *messages, now=START + timedelta(days=1)) -> Processed:
    """Accept the messages in one request and process the inbox until it is empty."""
    accept_messages(source, messages, received_at=now)
    processed = Processed()
    while (batch := process_batch(now=now)).n_messages:
        processed += batch
    return processed


def people():
    """The identifiers of each profile: a set of frozensets of (kind, value)."""
    by_profile = {}
    for profile_id, kind, value in Identifier.objects.values_list("profile_id", "kind__key", "value"):
        by_profile.setdefault(profile_id, set()).add((kind, value))
    return {frozenset(identifiers) for identifiers in by_profile.values()}


def profile_of(kind, value):
    return Identifier.objects.select_related("profile").get(kind__key=kind, value=value).profile


def event_names(profile):
    """Names of the profile's events in the order of time."""
    return list(
        Event.objects.filter(profile=profile).order_by("occurred_at").values_list("definition__name", flat=True)
    )
