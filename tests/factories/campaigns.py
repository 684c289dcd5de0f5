"""Campaigns, their contents, and the ledger."""

import factory
from factory.django import DjangoModelFactory

from campaigns.models import Campaign, Content, Delivery, Suppression
from campaigns.services.plan import OCCURRENCE, STEP
from profiles.models import IdentifierKind
from tests.factories.profiles import SEEN_AT, IdentifierFactory, ProfileFactory
from tests.factories.segments import SegmentFactory


class CampaignFactory(DjangoModelFactory):
    """A draft to a segment by the outbox, without content."""

    class Meta:
        model = Campaign

    key = factory.Sequence(lambda n: f"campaign-{n}")
    name = factory.LazyAttribute(lambda campaign: campaign.key.title())
    channel = "outbox"
    segment = factory.SubFactory(SegmentFactory)


class ContentFactory(DjangoModelFactory):
    """The fallback content of a campaign, which needs no value."""

    class Meta:
        model = Content

    campaign = factory.SubFactory(CampaignFactory)
    tier = None
    subject = "News"
    body = "<p>Hello!</p>"


class ReachableFactory(ProfileFactory):
    """Somebody with an e-mail address; `ReachableFactory(email="ann@example.com")`."""

    class Meta:
        skip_postgeneration_save = True

    @factory.post_generation
    def email(self, create, extracted, **kwargs):
        IdentifierFactory(kind_key="email", value=extracted or f"person-{self.pk}@example.com", profile=self)


class DeliveryFactory(DjangoModelFactory):
    """A planned delivery, due since 2026-01-01, of a campaign that is sending."""

    class Meta:
        model = Delivery

    campaign = factory.SubFactory(CampaignFactory, state=Campaign.State.SENDING)
    step = STEP
    occurrence = OCCURRENCE
    profile = factory.SubFactory(ReachableFactory)
    content = factory.LazyAttribute(
        lambda delivery: delivery.campaign.contents.first() or ContentFactory(campaign=delivery.campaign)
    )
    not_before = SEEN_AT
    planned_at = SEEN_AT


class SuppressionFactory(DjangoModelFactory):
    """An e-mail address that is written to on no channel; `SuppressionFactory(kind_key="phone", value="+86…")`."""

    class Meta:
        model = Suppression

    class Params:
        kind_key = "email"

    kind = factory.LazyAttribute(lambda suppression: IdentifierKind.objects.get(key=suppression.kind_key))
    value = factory.Sequence(lambda n: f"quiet-{n}@example.com")
    reason = "asked"
    created_at = SEEN_AT
