"""`consent`: whether somebody may be written to on a channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db.models import Exists, F, Max, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from cdp.rules.base import Given, Operator, Param, register_operator
from cdp.rules.face import Face
from cdp.rules.facts import Fact, ago
from cdp.rules.scope import Scope
from cdp.rules.shapes import OneOf
from cdp.rules.sql import AmongGroups
from profiles.models import Consent

GRANTED, DENIED, UNKNOWN = Consent.State.GRANTED.value, Consent.State.DENIED.value, "unknown"
SENTENCES = {
    GRANTED: gettext_lazy("has consented to “%(channel)s”"),
    DENIED: gettext_lazy("has refused “%(channel)s”"),
    UNKNOWN: gettext_lazy("has said neither yes nor no to “%(channel)s”"),
}


CHANNELS = {channel: gettext_lazy(channel) for channel in settings.CONSENT_CHANNELS}
STATES = {**dict(Consent.State.choices), UNKNOWN: gettext_lazy("unknown")}


@register_operator
@dataclass(frozen=True)
class ConsentIs(Operator):
    """The word in force on a channel as `Consent.objects.in_force()` has it: the latest, of two at once the denial.

    Words do not wait for their time: one that a sender's clock put into the near future counts as soon as it is known.
    """

    op: ClassVar = "consent"
    face: ClassVar = Face(gettext_lazy("Consent"), "how_to_reg", 11)
    params: ClassVar = {
        "channel": Param(OneOf(settings.CONSENT_CHANNELS, CHANNELS)),
        "is": Param(OneOf((GRANTED, DENIED, UNKNOWN), STATES)),
    }

    channel: str
    state: str

    @classmethod
    def build(cls, given: Given) -> Self:
        return cls(given["channel"], given["is"])

    def predicate(self, scope: Scope, now: datetime) -> Q:
        words = Consent.objects.filter(scope.on("profile_id"), channel=self.channel)
        if self.state == UNKNOWN:
            return ~Q(Exists(words.filter(profile_id=OuterRef("pk"))))
        return Q(AmongGroups(F("pk"), self._in_force(words)))

    def _in_force(self, words: QuerySet[Consent]) -> QuerySet[Any, Any]:
        """The profiles whose word in force is the one asked for."""
        last = {state: Max("occurred_at", filter=Q(state=state)) for state in (GRANTED, DENIED)}
        is_denied = Q(denied__isnull=False) & (Q(granted__isnull=True) | Q(denied__gte=F("granted")))
        is_granted = Q(granted__isnull=False) & (Q(denied__isnull=True) | Q(granted__gt=F("denied")))
        groups = words.values("profile_id").annotate(**last)
        return groups.filter(is_granted if self.state == GRANTED else is_denied).values("profile_id")

    def clock(self, after: datetime, until: datetime) -> None:
        """Words count as soon as they are known."""

    @classmethod
    def evidence(cls, conditions: Sequence[Self], profile_id: int, now: datetime) -> list[list[Fact]]:
        """The word in force on each channel."""
        channels = {each.channel for each in conditions}
        words = Consent.objects.filter(profile=profile_id, channel__in=channels).in_force()
        in_force = {word.channel: word for word in words}
        return [[said(each.channel, in_force.get(each.channel), now)] for each in conditions]

    def topics(self) -> frozenset[str]:
        return frozenset({f"consent:{self.channel}"})

    def describe(self) -> str:
        return str(SENTENCES[self.state]) % {"channel": _(self.channel)}


def said(channel: str, word: Consent | None, now: datetime) -> Fact:
    if word is None:
        return Fact(gettext_lazy("no word on “%(channel)s”"), {"channel": _(channel)})
    sentence = SENTENCES[word.state] % {"channel": _(channel)}
    when = ago(word.occurred_at, now)
    return Fact(gettext_lazy("%(what)s, %(when)s"), {"what": sentence, "when": when}, at=word.occurred_at)
