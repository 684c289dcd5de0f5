"""Deliveries when people are taken apart."""

from datetime import UTC, datetime

import pytest

from campaigns.followers import DeliveryFollower
from campaigns.models import Delivery
from profiles.followers import Parted
from tests.factories.campaigns import DeliveryFactory
from tests.factories.profiles import IdentifierFactory, ProfileFactory

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 6, 15, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("state", "address", "goes"),
    [
        ("sent", "bob@example.com", True),
        ("unknown", "bob@example.com", True),
        ("sent", "ann@example.com", False),
        ("planned", "", False),
        ("sending", "bob@example.com", False),
    ],
)
def test_what_went_out_goes_where_its_address_goes(state, address, goes):
    ann, bob = ProfileFactory(), ProfileFactory()
    mail = IdentifierFactory(profile=ann, kind_key="email", value="bob@example.com")
    delivery = DeliveryFactory(profile=ann, state=state, address=address)

    DeliveryFollower().split(Parted(ann.pk, bob.pk, [mail.pk], [bob.pk]), now=NOW)

    delivery.refresh_from_db()
    assert delivery.profile == (bob if goes else ann)


def test_each_keeps_its_own_record_of_the_same_launch():
    ann, bob = ProfileFactory(), ProfileFactory()
    mail = IdentifierFactory(profile=ann, kind_key="email", value="bob@example.com")
    hers = DeliveryFactory(profile=ann, state="sent", address="bob@example.com")
    DeliveryFactory(campaign=hers.campaign, profile=bob, occurrence=hers.occurrence, state="suppressed")

    DeliveryFollower().split(Parted(ann.pk, bob.pk, [mail.pk], [bob.pk]), now=NOW)

    assert set(Delivery.objects.values_list("profile", "state")) == {(ann.pk, "sent"), (bob.pk, "suppressed")}


def test_what_went_out_to_those_merged_before_goes_along_once_a_launch():
    ann = ProfileFactory()
    absorbed, other, bob = ProfileFactory(merged_into=ann), ProfileFactory(merged_into=ann), ProfileFactory()
    mail = IdentifierFactory(profile=ann, kind_key="email", value="bob@example.com")
    sent = DeliveryFactory(profile=absorbed, state="sent", address="bob@example.com")
    failed = DeliveryFactory(
        campaign=sent.campaign, profile=other, occurrence=sent.occurrence, state="failed", address="bob@example.com"
    )
    elsewhere = DeliveryFactory(state="sent", address="bob@example.com")

    DeliveryFollower().split(Parted(ann.pk, bob.pk, [mail.pk], [bob.pk]), now=NOW)

    owners = dict(Delivery.objects.values_list("pk", "profile"))
    assert owners == {sent.pk: bob.pk, failed.pk: other.pk, elsewhere.pk: elsewhere.profile_id}
