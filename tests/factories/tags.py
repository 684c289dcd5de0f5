"""Tags, their values, who carries them, and scores."""

from datetime import UTC, datetime

import factory
from factory.django import DjangoModelFactory

from tags.models import Score, Tag, TagAssignment, TagChange, TagValue
from tests.factories.profiles import ProfileFactory

WRITTEN_AT = datetime(2026, 1, 1, tzinfo=UTC)


class TagFactory(DjangoModelFactory):
    """A tag by hand without values; `TagFactory(kind="rule", rule={…})` is one by rule."""

    class Meta:
        model = Tag

    key = factory.Sequence(lambda n: f"tag-{n}")
    name = factory.LazyAttribute(lambda tag: tag.key.title())


class TagValueFactory(DjangoModelFactory):
    """A value; each next one of the same tag is judged after those before."""

    class Meta:
        model = TagValue

    tag = factory.SubFactory(TagFactory)
    key = factory.Sequence(lambda n: f"value-{n}")
    name = factory.LazyAttribute(lambda value: value.key.title())
    position = factory.LazyAttribute(lambda value: value.tag.values.count())


class TagAssignmentFactory(DjangoModelFactory):
    """A tag put on a profile on 2026-01-01, by hand where its tag is one by hand; without end."""

    class Meta:
        model = TagAssignment

    tag = factory.SubFactory(TagFactory)
    profile = factory.SubFactory(ProfileFactory)
    origin = factory.LazyAttribute(lambda row: row.profile if row.tag.kind == Tag.Kind.MANUAL else None)
    assigned_at = WRITTEN_AT


class TagChangeFactory(DjangoModelFactory):
    """A tag without values that a hand put on a profile on 2026-01-01."""

    class Meta:
        model = TagChange

    tag = factory.SubFactory(TagFactory)
    profile = factory.SubFactory(ProfileFactory)
    after = ""
    cause = "manual"
    at = WRITTEN_AT


class ScoreFactory(DjangoModelFactory):
    """What `rfm` said of a profile on 2026-01-01: one of the best customers."""

    class Meta:
        model = Score

    profile = factory.SubFactory(ProfileFactory)
    model = "rfm"
    values = factory.LazyFunction(
        lambda: {"recency_days": 3, "frequency": 9, "monetary": 800.5, "r": 5, "f": 5, "m": 5, "class": "111"}
    )
    scored_at = WRITTEN_AT
