"""Segments and tier schemes, who is in them, and the feeds."""

from datetime import UTC, datetime
from typing import Any

import factory
from factory.django import DjangoModelFactory

from cdp.rules.causes import Cause
from segments.models import Membership, MembershipChange, Segment, Tier, TierChange, TierScheme, TierStanding
from tests.factories.profiles import ProfileFactory

ENTERED_AT = datetime(2026, 1, 1, tzinfo=UTC)


def lives_in(city: str) -> dict[str, Any]:
    """The rule that the attribute `city`, which Strata ships, is `city`."""
    return {"op": "attribute", "key": "city", "is": "eq", "value": city}


class SegmentFactory(DjangoModelFactory):
    """A segment of those who live in Oslo, not refreshed yet."""

    class Meta:
        model = Segment

    key = factory.Sequence(lambda n: f"segment-{n}")
    name = factory.LazyAttribute(lambda segment: segment.key.title())
    rule = factory.LazyFunction(lambda: lives_in("Oslo"))


class StaticSegmentFactory(SegmentFactory):
    """A segment by hand, with nobody in it."""

    kind = Segment.Kind.STATIC
    rule = None


class MembershipFactory(DjangoModelFactory):
    """In a segment since 2026-01-01; neither `n_members` nor the feed knows it."""

    class Meta:
        model = Membership

    segment = factory.SubFactory(SegmentFactory)
    profile = factory.SubFactory(ProfileFactory)
    entered_at = ENTERED_AT


class MembershipChangeFactory(DjangoModelFactory):
    """An entry into a segment on 2026-01-01."""

    class Meta:
        model = MembershipChange

    segment = factory.SubFactory(SegmentFactory)
    profile = factory.SubFactory(ProfileFactory)
    change = MembershipChange.Change.ENTERED
    cause = Cause.DATA
    at = ENTERED_AT


class TierSchemeFactory(DjangoModelFactory):
    """`TierSchemeFactory(tiers={"gold": rule, "basic": None})`, highest first; without `tiers`, an empty scheme."""

    class Meta:
        model = TierScheme
        skip_postgeneration_save = True

    key = factory.Sequence(lambda n: f"scheme-{n}")
    name = factory.LazyAttribute(lambda scheme: scheme.key.title())

    @factory.post_generation
    def tiers(self, create: bool, extracted: dict[str, Any] | None, **kwargs: Any) -> None:
        for position, (key, entry) in enumerate((extracted or {}).items()):
            TierFactory(scheme=self, key=key, entry=entry, position=position)


class TierFactory(DjangoModelFactory):
    """A tier without an entry rule, below those that its scheme has."""

    class Meta:
        model = Tier

    scheme = factory.SubFactory(TierSchemeFactory)
    key = factory.Sequence(lambda n: f"tier-{n}")
    name = factory.LazyAttribute(lambda tier: tier.key.title())
    position = factory.LazyAttribute(lambda tier: tier.scheme.tiers.count())


class TierStandingFactory(DjangoModelFactory):
    """Stands in a tier since 2026-01-01."""

    class Meta:
        model = TierStanding

    tier = factory.SubFactory(TierFactory)
    scheme = factory.LazyAttribute(lambda standing: standing.tier.scheme)
    profile = factory.SubFactory(ProfileFactory)
    entered_at = ENTERED_AT


class TierChangeFactory(DjangoModelFactory):
    """A first standing on 2026-01-01."""

    class Meta:
        model = TierChange

    class Params:
        tier = factory.SubFactory(TierFactory)

    scheme = factory.LazyAttribute(lambda change: change.tier.scheme)
    after = factory.LazyAttribute(lambda change: change.tier.key)
    profile = factory.SubFactory(ProfileFactory)
    before = None
    cause = Cause.DATA
    at = ENTERED_AT
