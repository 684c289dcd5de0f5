"""Segments with members, and ladders of tiers with who stands where."""

import factory
from factory.django import DjangoModelFactory

from segments.models import Membership, Segment, Tier, TierScheme, TierStanding
from tests.factories.profiles import SEEN_AT, ProfileFactory


class SegmentFactory(DjangoModelFactory):
    """A dynamic segment of everybody known; its members are not computed."""

    class Meta:
        model = Segment

    key = factory.Sequence(lambda n: f"segment-{n}")
    name = factory.LazyAttribute(lambda segment: segment.key.title())
    rule = factory.LazyFunction(lambda: {"op": "attribute", "key": "is_known", "is": "eq", "value": True})


class MembershipFactory(DjangoModelFactory):
    """In a segment since 2026-01-01."""

    class Meta:
        model = Membership

    segment = factory.SubFactory(SegmentFactory)
    profile = factory.SubFactory(ProfileFactory)
    entered_at = SEEN_AT


class TierSchemeFactory(DjangoModelFactory):
    """A ladder without tiers."""

    class Meta:
        model = TierScheme

    key = factory.Sequence(lambda n: f"scheme-{n}")
    name = factory.LazyAttribute(lambda scheme: scheme.key.title())


class TierFactory(DjangoModelFactory):
    """A tier without an entry rule, each new one below the last."""

    class Meta:
        model = Tier

    scheme = factory.SubFactory(TierSchemeFactory)
    key = factory.Sequence(lambda n: f"tier-{n}")
    name = factory.LazyAttribute(lambda tier: tier.key.title())
    position = factory.LazyAttribute(lambda tier: tier.scheme.tiers.count())


class TierStandingFactory(DjangoModelFactory):
    """In a tier since 2026-01-01."""

    class Meta:
        model = TierStanding

    tier = factory.SubFactory(TierFactory)
    scheme = factory.SelfAttribute("tier.scheme")
    profile = factory.SubFactory(ProfileFactory)
    entered_at = SEEN_AT
