"""One of everything that the admin shows, with personal values that a test can look for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from django.contrib import admin
from django.core.files.base import ContentFile
from django.urls import NoReverseMatch, reverse

from campaigns.channels.base import Message
from campaigns.channels.outbox import OutboxSender
from campaigns.models import Attempt, Campaign, Delivery
from cdp.models import Run, Webhook
from profiles.models import (
    EventDay,
    EventDefinition,
    IdentifierKind,
    IdentityConflict,
    ImportedFile,
    Profile,
    ProfileMerge,
    RejectedMessage,
    Source,
    Violation,
)
from profiles.people_urls import people_url
from segments.models import Segment, TierScheme
from tags.models import Score, Tag
from tests.factories.campaigns import CampaignFactory, ContentFactory, SuppressionFactory
from tests.factories.imports import MAPPING, ImportFactory, ImportMappingFactory
from tests.factories.profiles import (
    AttributeDefinitionFactory,
    ConsentFactory,
    ContributionFactory,
    DuplicateSuggestionFactory,
    EventFactory,
    IdentifierFactory,
    ProfileFactory,
    SeparationFactory,
    SourceFactory,
)
from tests.factories.segments import (
    MembershipChangeFactory,
    MembershipFactory,
    SegmentFactory,
    TierSchemeFactory,
    TierStandingFactory,
)
from tests.factories.tags import TagAssignmentFactory, TagChangeFactory, TagFactory, TagValueFactory
from tests.factories.webhooks import WebhookAttemptFactory

AT = datetime(2026, 6, 1, tzinfo=UTC)
NAME, EMAIL, PHONE = "Zyxwv Qmarker", "qmarker@example.com", "+8613899990000"
STREET = "77 Qmarker Street"
PERSONAL = (NAME, "Zyxwv", "Qmarker", EMAIL, "qmarker@", PHONE, "13899990000")


@dataclass(frozen=True)
class World:
    """The rows that pages are about."""

    profile: Profile
    absorbed: Profile
    other: Profile
    merge: ProfileMerge
    conflict: IdentityConflict
    segment: Segment
    tag: Tag
    scheme: TierScheme
    draft: Campaign
    sent: Campaign
    delivery: Delivery
    run: Run


def make_world() -> World:
    """Make one of everything around one person."""
    profile = ProfileFactory(attributes={"name": NAME, "email": EMAIL, "phone": PHONE, "city": "Oslo"})
    absorbed = ProfileFactory(attributes={"name": NAME}, merged_into=profile)
    email = IdentifierFactory(profile=profile, kind_key="email", value=EMAIL)
    phone = IdentifierFactory(profile=profile, kind_key="phone", value=PHONE)
    source = SourceFactory()
    for key, value in profile.attributes.items():
        ContributionFactory(
            anchor=email, source=source, definition=AttributeDefinitionFactory(key=key), value=value, occurred_at=AT
        )
    EventFactory(
        profile=profile, anchor=email, source=source, occurred_at=AT, definition__name="Order Completed", value=9.5,
        properties={"total": 9.5, "email": EMAIL, "shipping": {"name": NAME, "address": {"street": STREET}}},
    )  # fmt: skip
    EventFactory(
        profile=profile, anchor=email, source=source, occurred_at=AT, definition__name="$identify",
        properties={"name": NAME, "phone": PHONE},
    )  # fmt: skip
    other = ProfileFactory(attributes={"name": NAME, "email": EMAIL, "city": "Oslo"})
    DuplicateSuggestionFactory(left=profile, right=other)
    ConsentFactory(profile=profile, source=source)
    ConsentFactory(profile=profile, source=None, recorded_at=AT, note=f"{NAME} said so")
    before = {"attributes": {"name": NAME, "email": EMAIL}}
    merge = ProfileMerge.objects.create(
        survivor=profile, absorbed=absorbed, cause=ProfileMerge.Cause.MESSAGE, source=source, merged_at=AT,
        identifiers=[email.pk], absorbed_before=before, survivor_before=before,
    )  # fmt: skip
    theirs = IdentifierFactory(profile=other, kind_key="email", value=f"other-{EMAIL}")
    SeparationFactory(left=phone, right=theirs)
    conflict = IdentityConflict.objects.create(
        anchor=theirs, left_out=email, reason=IdentityConflict.Reason.LIMIT, source=source, message_id="m",
        kind=IdentifierKind.objects.get(key="user_id"), first_at=AT, last_at=AT,
    )  # fmt: skip
    RejectedMessage.objects.create(source=source, received_at=AT, reason="no type", payload=f'{{"email": "{EMAIL}"}}')
    EventDay.objects.create(
        source=source, definition=EventDefinition.objects.get(name="$identify"), day=AT.date(), n_events=1, last_at=AT
    )
    Violation.objects.create(
        source=source, day=AT.date(), event="$identify", rule="schema", path="traits.name", problem="is missing",
        n_messages=1, last_at=AT, examples=[{"message": EMAIL, "value": NAME}],
    )  # fmt: skip
    segment = SegmentFactory(rule={"op": "attribute", "key": "email", "is": "eq", "value": EMAIL}, n_members=1)
    MembershipFactory(segment=segment, profile=profile)
    MembershipChangeFactory(segment=segment, profile=profile)
    tag = TagFactory()
    TagAssignmentFactory(tag=tag, profile=profile)
    TagChangeFactory(tag=tag, profile=profile)
    phone_rule = {"op": "attribute", "key": "phone", "is": "eq", "value": PHONE}
    TagValueFactory(tag__kind=Tag.Kind.RULE, rule=phone_rule)  # the latest tag: its page is walked
    Score.objects.create(profile=profile, model="rfm", values={"r": 5, "class": "111"}, scored_at=AT)
    rule = {"op": "attribute", "key": "name", "is": "eq", "value": NAME}
    scheme = TierSchemeFactory(tiers={"gold": rule, "basic": None})
    gold = scheme.tiers.get(key="gold")
    TierStandingFactory(tier=gold, profile=profile)
    draft = CampaignFactory(segment=segment, tier_scheme=scheme)
    ContentFactory(campaign=draft)
    sent = CampaignFactory(segment=segment, tier_scheme=scheme, state=Campaign.State.FINISHED, launched_at=AT)
    delivery = Delivery.objects.create(
        campaign=sent, profile=profile, occurrence="launch", tier=gold, content=ContentFactory(campaign=sent),
        state=Delivery.State.SENT, address=EMAIL, detail=f"to {EMAIL}", not_before=AT, planned_at=AT, settled_at=AT,
    )  # fmt: skip
    Attempt.objects.create(
        delivery=delivery, token="6f1c5b1e-0000-4000-8000-000000000000", started_at=AT, detail=f"250 {EMAIL}"
    )
    SuppressionFactory(value=EMAIL, reason=f"{NAME} rang")
    sender = OutboxSender()
    sender.send(Message(sent.key, delivery.pk, EMAIL, f"Dear {NAME}", f"<p>Dear {NAME}</p>", f"Dear {NAME}", AT))
    sender.close()
    WebhookAttemptFactory(message__webhook__url="https://hooks.example.com/", status=400, answer=f"no {NAME} <{EMAIL}>")
    run = Run.objects.create(kind="refresh", subject=f"segment:{segment.key}", state=Run.State.RUNNING, total=10)
    Run.objects.create(
        kind="import", subject=source.key, state=Run.State.FAILED, error=f"m.csv: line 2: '{NAME}' is not a {EMAIL}"
    )
    saved = ImportMappingFactory(source=source, mapping={**MAPPING, "constants": {"traits": {"nick": NAME}}})
    counts = {"new": 0, "refused": 1, "refused_rows": [f"2: {NAME}, {PHONE}"]}  # a file without a header
    imported = ImportFactory(
        source=source, saved_mapping=saved, mapping=saved.mapping, name=f"{PHONE}.csv",
        text=f"Name,Phone\n{NAME},{PHONE}\n",
        n_rows=1, n_done=1, ended_at=AT, counts=counts,
        refused_file=ContentFile(f"strata_row,strata_reason,Name,Phone\n1,“{PHONE}” is odd,{NAME},{PHONE}\n", "1.csv"),
        refused_size=99,
        dry_run_counts=counts,
        run=Run.objects.create(
            kind="import", subject="import:1", state=Run.State.FAILED, error=f"“{NAME}” is odd", counts=counts
        ),
    )  # fmt: skip
    ImportedFile.objects.create(
        saved_mapping=saved, name=f"{PHONE}.csv", size=1, modified_at=AT, seen_at=AT, imported=imported
    )
    return World(profile, absorbed, other, merge, conflict, segment, tag, scheme, draft, sent, delivery, run)


def pages(world: World) -> Iterator[str]:
    """The address of every page of the admin: lists, searches, forms, and those of our own."""
    yield reverse("admin:index")
    for model, model_admin in admin.site._registry.items():
        base = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        yield reverse(f"{base}_changelist")
        yield reverse(f"{base}_add")
        for row in model_admin.model._default_manager.order_by("-pk")[:1]:
            for page in ("change", "history", "delete"):
                try:
                    yield reverse(f"{base}_{page}", args=[row.pk])
                except NoReverseMatch:
                    continue
    people = reverse("admin:profiles_profile_changelist")
    for query in (
        "q=Oslo",
        f"segment={world.segment.pk}",
        f"tag={world.tag.pk}",
        "seen=7",
        "seen=over90",
        "p=1",
        "p=99",
    ):
        yield f"{people}?{query}"
    yield f"{people}?tier={world.delivery.tier_id}"
    yield reverse("admin:profiles_profile_by_id", args=[world.profile.public_id])
    yield reverse("admin:profiles_profile_timeline", args=[world.profile.pk])
    why = reverse("admin:profiles_profile_explain", args=[world.profile.pk])
    yield from (why, f"{why}?segment={world.segment.key}", f"{why}?tag={world.tag.key}")
    yield from (f"{why}?tier_scheme={world.scheme.key}", f"{why}?about=tag:{Tag.objects.get(kind=Tag.Kind.RULE).key}")
    yield f"{reverse('admin:profiles_profile_merge')}?id={world.profile.pk}&id={world.other.pk}&q=Zyx"
    email = world.profile.identifiers.get(kind__key="email")
    yield f"{reverse('admin:profiles_profile_split', args=[world.profile.pk])}?identifier={email.pk}"
    yield reverse("admin:profiles_profile_undo", args=[world.merge.pk])
    yield reverse("admin:profiles_identityconflict_move", args=[world.conflict.pk])
    yield reverse("admin:segments_segment_members", args=[world.segment.pk])
    yield reverse("admin:segments_segment_changes", args=[world.segment.pk])
    yield f"{reverse('admin:tags_tag_trend', args=[world.tag.pk])}?days=90"
    other = Tag.objects.exclude(pk=world.tag.pk).latest("pk").key
    yield f"{reverse('admin:tags_tag_cross', args=[world.tag.pk])}?with={other}&share=all"
    portrait = reverse("admin:segments_segment_portrait", args=[world.segment.pk])
    yield f"{portrait}?by=attribute:city&by=attribute:email&by=attribute:name&by=tag:{world.tag.key}"
    yield f"{portrait}?compare=none&people=known&sort=tgi"
    yield f"{people}?rule=cut-off"
    yield f"{reverse('admin:profiles_profile_changelist')}?was_in={world.segment.pk}@2026-06-01T00:00"
    yield people_url({"op": "attribute", "key": "email", "is": "eq", "value": EMAIL})
    yield reverse("admin:profiles_duplicatesuggestion_many")
    yield reverse("admin:profiles_duplicatesuggestion_changelist") + "?state=all"
    source = Source.objects.exclude(key="strata").latest("pk")
    yield f"{reverse('admin:profiles_quality')}?days=90&source={source.pk}"
    yield f"{reverse('admin:profiles_quality')}?event={EventDefinition.objects.get(name='$identify').pk}"
    yield f"{reverse('admin:profiles_quality_events')}?since=2026-06-01"
    yield f"{reverse('admin:profiles_rejectedmessage_all')}?day=month"
    for name in ("attempts", "secret"):
        yield reverse(f"admin:cdp_webhook_{name}", args=[Webhook.objects.latest("pk").pk])
    yield reverse("admin:cdp_run_progress", args=[world.run.pk])
    yield reverse("admin:campaigns_campaign_launch", args=[world.draft.pk])
    yield reverse("admin:campaigns_outbox")
    yield reverse("admin:campaigns_outbox_campaign", args=[world.sent.key])
    yield reverse("admin:campaigns_outbox_message", args=[world.sent.key, world.delivery.pk])
