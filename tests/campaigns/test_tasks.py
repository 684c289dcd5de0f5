import pytest

from campaigns import tasks
from campaigns.models import Campaign, Delivery
from tests.factories.campaigns import CampaignFactory, DeliveryFactory

pytestmark = pytest.mark.django_db


def test_the_task_sends_all_that_is_due(monkeypatch):
    monkeypatch.setattr("campaigns.services.deliver.BATCH_SIZE", 2)
    campaign = CampaignFactory(state=Campaign.State.SENDING)
    for _ in range(5):
        DeliveryFactory(campaign=campaign)

    tasks.deliver_due()

    assert set(Delivery.objects.values_list("state", flat=True)) == {"sent"}
