"""Profiles and what is known of them, one row a call."""

from datetime import UTC, datetime

import factory
from factory.django import DjangoModelFactory

from profiles.models import (
    AttributeDefinition,
    Consent,
    Contribution,
    DuplicateSuggestion,
    Event,
    EventDefinition,
    Identifier,
    IdentifierKind,
    IdentityConflict,
    LastSight,
    Profile,
    ProfileChange,
    ProfileMerge,
    ProfileSplit,
    Separation,
    Source,
)

SEEN_AT = datetime(2026, 1, 1, tzinfo=UTC)


class SourceFactory(DjangoModelFactory):
    """An enabled server source, region CN, rank 100."""

    class Meta:
        model = Source

    key = factory.Sequence(lambda n: f"source-{n}")
    name = factory.LazyAttribute(lambda source: source.key.title())


class ProfileFactory(DjangoModelFactory):
    """Somebody with no identifier, first and last seen on 2026-01-01; pass `attributes` as the golden record."""

    class Meta:
        model = Profile
        exclude = ["last_seen_at"]
        skip_postgeneration_save = True

    first_seen_at = SEEN_AT
    last_seen_at = factory.SelfAttribute("first_seen_at")
    last_sight = factory.RelatedFactory(
        "tests.factories.profiles.LastSightFactory", "profile", at=factory.SelfAttribute("..last_seen_at")
    )


class LastSightFactory(DjangoModelFactory):
    """When somebody was last seen; every profile has it."""

    class Meta:
        model = LastSight


class IdentifierFactory(DjangoModelFactory):
    """`IdentifierFactory(kind_key="phone", value="+8613800138000")`; a user id where nothing else is said."""

    class Meta:
        model = Identifier
        exclude = ["kind_key"]

    kind_key = "user_id"
    kind = factory.LazyAttribute(lambda identifier: IdentifierKind.objects.get(key=identifier.kind_key))
    value = factory.Sequence(lambda n: f"u{n}")
    profile = factory.SubFactory(ProfileFactory)
    first_seen_at = SEEN_AT


class ConflictFactory(DjangoModelFactory):
    """An open conflict: a user id was named with an anonymous id that stayed with somebody else."""

    class Meta:
        model = IdentityConflict

    anchor = factory.SubFactory(IdentifierFactory)
    left_out = factory.SubFactory(IdentifierFactory, kind_key="anonymous_id")
    reason = IdentityConflict.Reason.LIMIT
    kind = factory.LazyFunction(lambda: IdentifierKind.objects.get(key="user_id"))
    source = factory.SubFactory(SourceFactory)
    message_id = factory.Sequence(lambda n: f"message-{n}")
    first_at = SEEN_AT
    last_at = SEEN_AT


class ProfileMergeFactory(DjangoModelFactory):
    """A merge by a message as history tells it; the rows were not moved."""

    class Meta:
        model = ProfileMerge

    survivor = factory.SubFactory(ProfileFactory)
    absorbed = factory.SubFactory(ProfileFactory, merged_into=factory.SelfAttribute("..survivor"))
    cause = ProfileMerge.Cause.MESSAGE
    source = factory.SubFactory(SourceFactory)
    message_id = factory.Sequence(lambda n: f"message-{n}")
    merged_at = SEEN_AT
    identifiers = factory.LazyFunction(list)
    absorbed_before = factory.LazyFunction(lambda: {"attributes": {}})
    survivor_before = factory.LazyFunction(lambda: {"attributes": {}})


class ProfileSplitFactory(DjangoModelFactory):
    """A split as history tells it; nothing was moved."""

    class Meta:
        model = ProfileSplit

    from_profile = factory.SubFactory(ProfileFactory)
    to_profile = factory.SubFactory(ProfileFactory)
    identifiers = factory.LazyFunction(list)
    split_at = SEEN_AT


class SeparationFactory(DjangoModelFactory):
    """Two identifiers that a split keeps apart; `left` is made first."""

    class Meta:
        model = Separation

    left = factory.SubFactory(IdentifierFactory)
    right = factory.SubFactory(IdentifierFactory, kind_key="anonymous_id")
    split = factory.SubFactory(
        ProfileSplitFactory,
        from_profile=factory.SelfAttribute("..left.profile"),
        to_profile=factory.SelfAttribute("..right.profile"),
    )
    separated_at = SEEN_AT


class AttributeDefinitionFactory(DjangoModelFactory):
    """A text attribute; a shipped key gives the shipped definition."""

    class Meta:
        model = AttributeDefinition
        django_get_or_create = ["key"]

    key = factory.Sequence(lambda n: f"attribute {n}")


class ContributionFactory(DjangoModelFactory):
    """What one source said of one attribute on 2026-01-01; the golden record is not folded."""

    class Meta:
        model = Contribution

    anchor = factory.SubFactory(IdentifierFactory)
    source = factory.SubFactory(SourceFactory)
    definition = factory.SubFactory(AttributeDefinitionFactory)
    value = "Oslo"
    occurred_at = SEEN_AT
    message_id = factory.Sequence(lambda n: f"message-{n}")


class EventDefinitionFactory(DjangoModelFactory):
    """An event that promotes nothing; a shipped name gives the shipped definition."""

    class Meta:
        model = EventDefinition
        django_get_or_create = ["name"]

    name = factory.Sequence(lambda n: f"Event {n}")


class EventFactory(DjangoModelFactory):
    """`EventFactory(profile=ann, definition__name="Order Completed", occurred_at=now, value=12.5)`."""

    class Meta:
        model = Event

    occurred_at = SEEN_AT
    definition = factory.SubFactory(EventDefinitionFactory)
    profile = factory.SubFactory(ProfileFactory)
    anchor = factory.SubFactory(IdentifierFactory, profile=factory.SelfAttribute("..profile"))
    source = factory.SubFactory(SourceFactory)
    value = None
    properties = factory.LazyFunction(dict)


class ConsentFactory(DjangoModelFactory):
    """A granted consent on email of 2026-01-01."""

    class Meta:
        model = Consent

    profile = factory.SubFactory(ProfileFactory)
    origin = factory.SelfAttribute("profile")
    channel = "email"
    state = Consent.State.GRANTED
    source = factory.SubFactory(SourceFactory)
    occurred_at = SEEN_AT


class ProfileChangeFactory(DjangoModelFactory):
    """One row of the refresh queue, due since 2026-01-01."""

    class Meta:
        model = ProfileChange

    profile_id = factory.LazyFunction(lambda: ProfileFactory().pk)
    topic = "created"
    due_at = SEEN_AT


class DuplicateSuggestionFactory(DjangoModelFactory):
    """An open pair of two new profiles, whose names are the same; `left` must be the older row."""

    class Meta:
        model = DuplicateSuggestion

    left = factory.SubFactory(ProfileFactory)
    right = factory.SubFactory(ProfileFactory)
    probability = 0.95
    evidence = factory.LazyFunction(lambda: [{"field": "name", "level": "same", "weight": 10.0}])
    suggested_at = SEEN_AT
