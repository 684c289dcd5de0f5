"""What people decide of suggestions: accepted ones become merges that can be undone, rejected ones are remembered."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from cdp.locks import advisory_lock
from cdp.models import User
from profiles.identity.errors import MAX_NAMED, KeptApartError, Rejected
from profiles.models import DuplicateSuggestion, Profile, ProfileMerge
from profiles.refresh.people import survivors_of
from profiles.services.identity import merge_profiles

State = DuplicateSuggestion.State


class NotToReview(ValueError):
    """The suggestion was decided meanwhile, or its profiles are one by now; the text says which."""


class RejectedBefore(KeptApartError):
    """Somebody rejected another suggestion of these people, or of one who merged into them. It holds until reopened."""


def accept_suggestion(suggestion_id: int, *, user: User | None, now: datetime) -> ProfileMerge:
    """Merge the two people; returns the merge, by which it can be undone.

    Raises:
        NotToReview: it is not open any more; where its profiles are one already, or one of them was erased, it is
            outdated from now on.
        RejectedBefore: of two of the people who would be one, another suggestion was rejected; this one stays open.
        KeptApartError: a limit or a separation forbids it; the suggestion stays open.
    """
    with transaction.atomic():
        suggestion = _locked(suggestion_id)
        people = _people(suggestion)
        nothing_left = _why_nothing(people)
        if not nothing_left:
            if rejected := rejections_between(people):
                raise RejectedBefore(rejected)
            decide([suggestion.pk], State.ACCEPTED, user=user, now=now)
            survivor = merge_profiles(people, user=user, now=now, cause=ProfileMerge.Cause.DUPLICATE)
            merges = ProfileMerge.objects.filter(survivor=survivor).select_related("survivor")
            return merges.latest("pk")  # nobody else merges until this transaction ends
        decide([suggestion.pk], State.OUTDATED, user=None, now=now)
    raise NotToReview(nothing_left)


def reject_suggestion(suggestion_id: int, *, user: User | None, now: datetime) -> int:
    """Remember that these are two people; other open suggestions of the same two go with it. Returns how many.

    Raises:
        NotToReview: it is not open any more.
    """
    with transaction.atomic():
        suggestion = _locked(suggestion_id)
        same = DuplicateSuggestion.objects.open().between(_people(suggestion))
        ids = {suggestion.pk, *same.values_list("pk", flat=True)}
        return decide(ids, State.REJECTED, user=user, now=now)


def reopen_suggestion(suggestion_id: int) -> None:
    """Put a rejected suggestion back for review; other rejected ones of the same two come with it.

    Raises:
        NotToReview: it was not rejected, or its profiles are one by now, or one of them was erased.
    """
    with transaction.atomic():
        suggestion = _locked(suggestion_id, state=State.REJECTED)
        people = _people(suggestion)
        if nothing_left := _why_nothing(people):
            raise NotToReview(nothing_left)
        same = DuplicateSuggestion.objects.rejected().between(people)
        decide(list(same.values_list("pk", flat=True)), State.OPEN, user=None, now=None)


def rejections_between(people: Collection[int]) -> list[Rejected]:
    """What was rejected of any two of these people, by id, who are not to become one without a second look."""
    found = DuplicateSuggestion.objects.rejected().between(people)
    return [Rejected(suggestion) for suggestion in found.order_by("pk")[:MAX_NAMED]]


def _locked(suggestion_id: int, *, state: State = State.OPEN) -> DuplicateSuggestion:
    """The suggestion, locked with all of the same two people, which go with it; after the lock of identity, in whose
    hold merges write suggestions too.
    """
    advisory_lock("identity")
    found = DuplicateSuggestion.objects.filter(pk=suggestion_id).first()
    if found is None:
        raise NotToReview(_("There is no such suggestion."))
    same = DuplicateSuggestion.objects.between(_people(found)).values_list("pk", flat=True)
    DuplicateSuggestion.objects.filter(pk__in=[found.pk, *same]).locked()
    found.refresh_from_db()
    if found.state != state:
        raise NotToReview(_("This suggestion was settled meanwhile: %(state)s.") % {"state": found.get_state_display()})
    return found


def _people(suggestion: DuplicateSuggestion) -> list[int]:
    """Ids of the people that the two profiles have become, left first."""
    current = survivors_of([suggestion.left_id, suggestion.right_id])
    return [current[suggestion.left_id], current[suggestion.right_id]]


def _why_nothing(people: Collection[int]) -> str:
    """Why there is nothing to decide of these people, by id; "" where there is."""
    if len(set(people)) == 1:
        return _("These profiles are one already.")
    if Profile.objects.filter(pk__in=people, erased_at__isnull=False).exists():
        return _("One of these profiles was erased; nobody is left to merge.")
    return ""


def decide(ids: Collection[int], state: State, *, user: User | None, now: datetime | None) -> int:
    """Write a decision down; returns of how many. Under the identity lock."""
    return DuplicateSuggestion.objects.filter(pk__in=ids).update(state=state, decided_at=now, decided_by=user)
