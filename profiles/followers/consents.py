"""How consents follow a merge and a split."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Q, QuerySet

from profiles.followers import Follower, HandMade, Merged, Parted, erase_rows, move_rows, register_follower
from profiles.models import Consent


def going(parted: Parted) -> Q:
    """The words that go: with anchor or merge that brought them, else with the profile they were written on."""
    by_message = Q(anchor__in=list(parted.identifiers))
    by_merge = Q(merge__absorbed__in=list(parted.origins))
    by_hand = Q(anchor=None, merge=None, origin__in=list(parted.origins))
    return by_message | by_merge | by_hand | Q(pk__in=parted.chosen_of(Consent), anchor=None, merge=None)


@register_follower
class ConsentFollower(Follower):
    """Both histories become one; `profiles/identity/consents.py` adds the words by which the stricter wins, and
    `retelling.py` tells them again when people are taken apart.
    """

    model = Consent

    def merge(self, merged: Sequence[Merged], *, now: datetime) -> None:
        move_rows(Consent, merged)

    def split(self, parted: Parted, *, now: datetime) -> None:
        Consent.objects.filter(going(parted), profile=parted.from_id).update(profile=parted.to_id)

    def erase(self, profile_ids: Sequence[int], *, now: datetime) -> None:
        erase_rows(Consent, profile_ids)

    def by_hand(self) -> QuerySet[Consent]:
        return Consent.objects.filter(recorded_at__isnull=False)

    def hand_made(self, parted: Parted) -> Sequence[HandMade]:
        rows = Consent.objects.filter(profile=parted.from_id, anchor=None, merge=None).order_by("-occurred_at", "-pk")
        leaving = set(rows.filter(going(parted)).values_list("pk", flat=True))
        return [
            HandMade.of(
                row,
                label=f"{row.channel}: {row.get_state_display()}",
                written_at=row.occurred_at,
                goes=row.pk in leaving,
            )
            for row in rows
        ]
