from itertools import count

import pytest

from campaigns import tasks
from campaigns.models import Campaign, Delivery
from cdp.locks import session_lock
from tests.factories.campaigns import CampaignFactory, DeliveryFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def woken(monkeypatch):
    stages = []
    monkeypatch.setattr(tasks, "wake", stages.append)
    return stages


def test_the_task_sends_all_that_is_due(woken, monkeypatch):
    monkeypatch.setattr("campaigns.services.deliver.BATCH_SIZE", 2)
    campaign = CampaignFactory(state=Campaign.State.SENDING)
    for _ in range(5):
        DeliveryFactory(campaign=campaign)

    tasks.deliver_due()

    assert set(Delivery.objects.values_list("state", flat=True)) == {"sent"}
    assert woken == []


def test_after_its_slice_the_task_lets_others_go_first(woken, monkeypatch):
    monkeypatch.setattr("campaigns.services.deliver.BATCH_SIZE", 2)
    monkeypatch.setattr(tasks.time, "monotonic", count(step=100).__next__)
    campaign = CampaignFactory(state=Campaign.State.SENDING)
    for _ in range(5):
        DeliveryFactory(campaign=campaign)

    tasks.deliver_due()

    assert Delivery.objects.filter(state="sent").count() == 2
    assert woken == ["deliveries_planned"]


def test_with_every_lane_taken_the_task_leaves_the_work_to_those_who_have_them(woken, settings):
    settings.DELIVERY_LANES = 2
    DeliveryFactory()

    with session_lock("delivery_lane", 0, wait=False), session_lock("delivery_lane", 1, wait=False):
        tasks.deliver_due()
    assert Delivery.objects.get().state == "planned"

    with session_lock("delivery_lane", 0, wait=False):
        tasks.deliver_due()
    assert Delivery.objects.get().state == "sent"
    assert woken == []
