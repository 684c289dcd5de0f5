"""How consents follow a merge."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from profiles.followers import Follower, Merged, move_rows, register_follower
from profiles.models import Consent


@register_follower
class ConsentFollower(Follower):
    """Both histories become one, and the stricter word wins: a person who denied under one name has denied."""

    model = Consent

    def merge(self, merged: Sequence[Merged], *, now: datetime) -> None:
        denied = denied_channels(merged)
        move_rows(Consent, merged)
        overruled = Consent.objects.in_force().filter(profile__in=denied)
        Consent.objects.bulk_create(
            Consent(
                profile_id=consent.profile_id,
                origin_id=consent.profile_id,
                channel=consent.channel,
                state=Consent.State.DENIED,
                occurred_at=max(now, consent.occurred_at),
            )
            for consent in overruled
            if consent.state == Consent.State.GRANTED and consent.channel in denied[consent.profile_id]
        )


def denied_channels(merged: Sequence[Merged]) -> dict[int, set[str]]:
    """By survivor, the channels that it or one of its absorbed had denied."""
    survivor_of = {pair.survivor: pair.survivor for pair in merged} | {pair.absorbed: pair.survivor for pair in merged}
    denied: dict[int, set[str]] = defaultdict(set)
    for consent in Consent.objects.in_force().filter(profile__in=survivor_of):
        if consent.state == Consent.State.DENIED:
            denied[survivor_of[consent.profile_id]].add(consent.channel)
    return denied
