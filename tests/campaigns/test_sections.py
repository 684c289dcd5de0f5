from datetime import timedelta

import pytest

from campaigns.sections import N_MESSAGES, load_deliveries
from cdp.roles import OPERATOR, VIEWER
from profiles.masking import MASK
from profiles.sections import load_sections
from tests.factories.campaigns import CampaignFactory, DeliveryFactory, SuppressionFactory
from tests.factories.profiles import SEEN_AT, IdentifierFactory, ProfileFactory
from tests.sign_in import sign_in

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


def test_addresses_that_are_not_written_to_are_on_the_page():
    identifier = IdentifierFactory(kind_key="email", value="ann@example.com")
    IdentifierFactory(kind_key="phone", value="+8613800000000", profile=identifier.profile)
    SuppressionFactory(value="ann@example.com", channel="email", reason="asked by phone")
    SuppressionFactory(value="bob@example.com")

    def page(role):
        answer = sign_in(role).get(f"/admin/profiles/profile/{identifier.profile_id}/change/").content.decode()
        return answer.partition('id="suppressions"')[2].partition("</section>")[0]

    assert "ann@example.com" in page(OPERATOR)
    assert "asked by phone" in page(OPERATOR)
    assert "bob@example.com" not in page(OPERATOR)
    assert "ann@example.com" not in page(VIEWER)
    assert "asked by phone" not in page(VIEWER)
    assert page(VIEWER).count(MASK) == 2
