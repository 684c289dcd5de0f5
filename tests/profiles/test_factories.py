"""The factories make rows that the database takes."""

import pytest

from profiles.models import Event, EventDefinition
from tests.factories.profiles import ConsentFactory, ContributionFactory, EventFactory, IdentifierFactory

pytestmark = pytest.mark.django_db


def test_event_is_written_to_the_partitioned_table():
    event = EventFactory(definition__name="Order Completed", value=12.5)

    assert Event.objects.get().pk == event.pk
    assert event.definition == EventDefinition.objects.get(name="Order Completed")
    assert event.anchor.profile == event.profile


def test_identifier_is_of_the_kind_that_is_named():
    assert IdentifierFactory(kind_key="phone", value="+8613800138000").kind.key == "phone"


def test_consent_and_contribution_are_complete():
    assert ConsentFactory().origin is not None
    assert ContributionFactory().anchor.profile is not None
