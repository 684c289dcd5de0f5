"""What a merge or a split would make of people, found out by doing it and rolling it back: so it is what will be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import OperationalError, transaction
from django.db.models import Count
from django.utils.translation import gettext as _

from cdp.local_settings import set_local
from cdp.models import User
from profiles.identity.errors import IdentityError
from profiles.models import Consent, Event, Identifier, Profile
from profiles.sections import all_sections
from profiles.services.identity.merge import merge_profiles

MAX_IDENTIFIERS = 500  # of one person, as a preview shows them
LOCK_TIMEOUT, STATEMENT_TIMEOUT = "5s", "15s"  # somebody waits for it


class PreviewUnavailable(Exception):
    """It could not be tried in time; the change itself waits longer."""

    def __init__(self) -> None:
        super().__init__(_("This could not be previewed in time: much is being processed. Try again in a moment."))


@dataclass(frozen=True)
class Snapshot:
    """One person at a moment. `consents` are states by channel, `words` the short words of each section by its key."""

    profile: Profile
    identifiers: list[Identifier]
    consents: dict[str, str]
    n_events: int
    words: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Preview:
    """`after` is empty where the change is `refused`."""

    before: list[Snapshot]
    after: list[Snapshot]
    refused: IdentityError | None = None


def preview_merge(profile_ids: Sequence[int], *, user: User | None, now: datetime) -> Preview:
    """What would become of these people as one. Raises PreviewUnavailable."""
    return preview(profile_ids, lambda: [merge_profiles(profile_ids, user=user, now=now).pk])


def preview(profile_ids: Iterable[int], change: Callable[[], Sequence[int]]) -> Preview:
    """These people before `change`, and those whose ids it returns after it; nothing stays changed."""
    with tried():
        before = snapshots(profile_ids)
        try:
            after = snapshots(change())
        except IdentityError as error:
            return Preview(before, [], error)
    return Preview(before, after)


@contextmanager
def tried() -> Iterator[None]:
    """A transaction that is rolled back, and gives up early where others hold the locks."""
    try:
        with transaction.atomic():
            set_local(lock_timeout=LOCK_TIMEOUT, statement_timeout=STATEMENT_TIMEOUT)
            try:
                yield
            finally:
                transaction.set_rollback(True)
    except OperationalError as error:
        raise PreviewUnavailable from error


def snapshots(profile_ids: Iterable[int]) -> list[Snapshot]:
    """In the order given; four queries, and one a section."""
    ids = list(profile_ids)
    profiles = Profile.objects.in_bulk(ids)
    identifiers: dict[int, list[Identifier]] = {pk: [] for pk in ids}
    found = Identifier.objects.filter(profile__in=ids).select_related("kind").order_by("kind__priority", "pk")
    for identifier in found[: MAX_IDENTIFIERS * len(ids)]:
        identifiers[identifier.profile_id].append(identifier)
    consents: dict[int, dict[str, str]] = {pk: {} for pk in ids}
    for consent in Consent.objects.filter(profile__in=ids).in_force():
        consents[consent.profile_id][consent.channel] = consent.state
    n_events = dict(Event.objects.filter(profile__in=ids).order_by().values_list("profile").annotate(n=Count("pk")))
    named: dict[str, Any] = {each.key: each.names(ids) for each in all_sections() if each.names is not None}
    return [
        Snapshot(
            profile=profiles[pk],
            identifiers=identifiers[pk],
            consents=consents[pk],
            n_events=n_events.get(pk, 0),
            words={key: words.get(pk, []) for key, words in named.items()},
        )
        for pk in ids
        if pk in profiles
    ]
