"""The world that `tests/strategies.py` speaks of, in the tables."""

from __future__ import annotations

from datetime import datetime

import pytest

from cdp.rules.types import ValueType
from profiles.ingest.moments import index_moments
from profiles.ingest.partitions import ensure_partitions
from profiles.models import Consent, Event, Identifier, IdentifierKind, LastSight, Profile
from segments.models import Membership, TierStanding
from tags import score_models
from tags.models import Score, TagAssignment
from tests.factories.profiles import AttributeDefinitionFactory, EventDefinitionFactory, SourceFactory
from tests.factories.segments import SegmentFactory, StaticSegmentFactory, TierSchemeFactory
from tests.factories.tags import TagFactory, TagValueFactory
from tests.oracles import Person
from tests.strategies import ATTRIBUTES, EVENTS, GUESTS, KINDS, SCORES, SEGMENTS, TAGS, TIERS


def declare_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scoring model `probe`, for one test."""
    fields = {name.split(".")[1]: score_models.ScoreField(ValueType(type_), name) for name, type_ in SCORES.items()}
    monkeypatch.setitem(score_models._models, "probe", score_models.ScoreModel("probe", "Probe", fields))


class World:
    """The definitions that the strategies speak of, and people written into the tables."""

    def __init__(self) -> None:
        ensure_partitions(2028, 2030)
        for key, type_ in ATTRIBUTES.items():
            AttributeDefinitionFactory(key=key, type=type_)
        self.events = {name: EventDefinitionFactory(name=name) for name in EVENTS}
        self.tags = {key: TagFactory(key=key) for key in TAGS}
        self.values = {key: TagValueFactory(tag=self.tags["card"], key=key) for key in TAGS["card"]}
        self.segments = {key: SegmentFactory(key=key) for key in SEGMENTS}
        self.segments[GUESTS] = StaticSegmentFactory(key=GUESTS)
        self.source = SourceFactory()
        self.kinds = {key: IdentifierKind.objects.get(key=key) for key in ["device_id", *KINDS]}
        self.schemes = {key: TierSchemeFactory(key=key, tiers=dict.fromkeys(TIERS[key])) for key in TIERS}

    def write(self, person: Person) -> Profile:
        profile = Profile.objects.create(
            public_id=person.public_id,
            attributes=person.attributes,
            first_seen_at=person.first_seen_at,
        )
        LastSight.objects.create(profile=profile, at=person.last_seen_at)
        Profile.objects.filter(pk=profile.pk).update(created_at=person.created_at)
        anchor = self.write_identifier(profile, "device_id")
        for kind in sorted(person.identifiers):
            self.write_identifier(profile, kind)
        Event.objects.bulk_create(
            Event(
                profile=profile,
                anchor=anchor,
                source=self.source,
                definition=self.events[event["name"]],
                occurred_at=event["occurred_at"],
                value=event["value"],
                properties=event["properties"],
            )
            for event in person.events
        )
        TagAssignment.objects.bulk_create(
            TagAssignment(
                profile=profile,
                tag=self.tags[key],
                value=self.values[value] if value else None,
                expires_at=expires_at,
                assigned_at=person.first_seen_at,
            )
            for key, (value, expires_at) in person.tags.items()
        )
        Membership.objects.bulk_create(
            Membership(profile=profile, segment=self.segments[key], entered_at=entered_at)
            for key, entered_at in person.segments.items()
        )
        Score.objects.bulk_create(
            Score(profile=profile, model=model, values=values, scored_at=person.first_seen_at)
            for model, values in person.scores.items()
        )
        TierStanding.objects.bulk_create(
            TierStanding(
                profile=profile,
                scheme=self.schemes[key],
                tier=self.schemes[key].tiers.get(key=tier),
                entered_at=person.first_seen_at,
            )
            for key, tier in person.tiers.items()
        )
        for channel, said in person.consents.items():
            for occurred_at, state in said:
                self.write_consent(profile, channel, occurred_at, state)
        index_moments([profile.pk])
        return profile

    def write_identifier(self, profile: Profile, kind: str) -> Identifier:
        return Identifier.objects.create(
            kind=self.kinds[kind], value=f"u{profile.pk}", profile=profile, first_seen_at=profile.first_seen_at
        )

    def write_consent(self, profile: Profile, channel: str, occurred_at: datetime, state: str) -> None:
        Consent.objects.create(profile=profile, origin=profile, channel=channel, occurred_at=occurred_at, state=state)
