from datetime import timedelta

import pytest

from campaigns.sections import N_MESSAGES, load_deliveries
from profiles.sections import load_sections
from tests.factories.campaigns import CampaignFactory, DeliveryFactory
from tests.factories.profiles import SEEN_AT, ProfileFactory

pytestmark = pytest.mark.django_db


def test_the_last_messages_of_each_person_come_in_one_query(django_assert_num_queries):
    ann, bob, nobody = (ProfileFactory() for _ in range(3))
    absorbed = ProfileFactory(merged_into=ann)
    DeliveryFactory(profile=absorbed, campaign=CampaignFactory(key="first"), state="sent", settled_at=SEEN_AT)
    for n in range(N_MESSAGES + 2):
        DeliveryFactory(profile=bob, campaign=CampaignFactory(key=f"more-{n}"))
    DeliveryFactory(profile=ann, campaign=CampaignFactory(key="last"), planned_at=SEEN_AT + timedelta(days=1))

    with django_assert_num_queries(1):
        found = load_deliveries([ann.pk, bob.pk, nobody.pk])

    assert [message["campaign"] for message in found[ann.pk]] == ["last", "first"]
    assert [message["at"] for message in found[ann.pk]] == [SEEN_AT + timedelta(days=1), SEEN_AT]
    assert [message["campaign"] for message in found[bob.pk]] == [f"more-{n}" for n in range(11, 1, -1)]
    assert nobody.pk not in found


def test_messages_are_on_the_page_and_not_in_what_integrations_read():
    profile = ProfileFactory()

    assert "deliveries" not in load_sections([profile.pk])[profile.pk]
