import pytest
from django.core.exceptions import ValidationError
from django.db.models import ProtectedError

from tests.factories.campaigns import CampaignFactory, ContentFactory, DeliveryFactory
from tests.factories.segments import TierFactory

pytestmark = pytest.mark.django_db


def test_a_content_with_an_error_is_refused_where_it_is_entered():
    content = ContentFactory.build(campaign=CampaignFactory(), subject="{{ profile.name", body="{{ nobody }}")

    with pytest.raises(ValidationError) as raised:
        content.full_clean()

    assert raised.value.message_dict["subject"] == ["Line 1, character 1: “{{” is never closed with “}}”"]
    assert "unknown variable “nobody”" in raised.value.message_dict["body"][0]


def test_a_content_is_for_a_tier_of_the_campaigns_scheme():
    content = ContentFactory.build(campaign=CampaignFactory(), tier=TierFactory())

    with pytest.raises(ValidationError, match="not one of the campaign's tier scheme"):
        content.full_clean()


def test_what_was_sent_to_whom_cannot_be_deleted_with_its_campaign():
    delivery = DeliveryFactory()

    with pytest.raises(ProtectedError):
        delivery.campaign.delete()
