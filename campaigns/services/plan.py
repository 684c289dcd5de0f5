"""Planning: the audience of a moment becomes rows of the ledger, and stays that."""

from __future__ import annotations

from datetime import datetime

from django.db import connection, transaction
from django.db.models import Max

from campaigns.models import Campaign, Delivery
from cdp.models import Run
from cdp.runs import advance
from cdp.stages import wake
from segments.models import Membership, TierStanding

PLAN_CAMPAIGN = "plan_campaign"
STEP = 0
OCCURRENCE = "launch"  # a campaign that is sent now occurs once
# One statement's worth: long enough to be set-based, short enough to show progress and to hold no lock for long.
PLAN_SIZE = 10_000


def plan_campaign(run: Run, *, now: datetime) -> None:
    """Freeze the audience of the campaign named by the run's subject into deliveries, and let them go out.

    Goes through the audience by profile id, a committed page at a time. After a kill it goes on behind the last row
    that it wrote, so that no page is read twice; a page written twice all the same would add nothing.
    """
    campaign = Campaign.objects.get(key=run.subject)
    if campaign.state != Campaign.State.PLANNING:
        return  # it was planned to the end before the kill
    planned = Delivery.objects.filter(campaign=campaign, step=STEP, occurrence=OCCURRENCE)
    last = planned.aggregate(last=Max("profile_id"))["last"] or 0
    total, done = _size_of_audience(campaign), planned.count()
    while page := _plan_page(campaign, after=last, now=now):
        last, n_people = page
        done += n_people
        advance(run, done, max(total, done), planned=done)
    with transaction.atomic():
        Campaign.objects.filter(pk=campaign.pk, state=Campaign.State.PLANNING).update(state=Campaign.State.SENDING)
        wake("deliveries_planned")


def _size_of_audience(campaign: Campaign) -> int:
    if campaign.segment_id is not None:
        return Membership.objects.filter(segment=campaign.segment_id).count()
    return TierStanding.objects.filter(scheme=campaign.tier_scheme_id).count()


def _plan_page(campaign: Campaign, *, after: int, now: datetime) -> tuple[int, int] | None:
    """Plan the next profiles by id; returns the last one's id and how many there were, or None at the end."""
    if campaign.segment_id is not None:
        members = "SELECT profile_id FROM segments_membership WHERE segment_id = %(audience)s"
    else:
        members = "SELECT profile_id FROM segments_tierstanding WHERE scheme_id = %(audience)s"
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH page AS (
                {members} AND profile_id > %(after)s
                ORDER BY profile_id
                LIMIT %(limit)s
            ), written AS (
                INSERT INTO campaigns_delivery (
                    campaign_id, step, profile_id, occurrence, tier_id, content_id,
                    state, reason, detail, address, not_before, planned_at, settled_at
                )
                SELECT
                    %(campaign)s, %(step)s, page.profile_id, %(occurrence)s, standing.tier_id,
                    coalesce(own.id, fallback.id),
                    CASE WHEN coalesce(own.id, fallback.id) IS NULL THEN %(suppressed)s ELSE %(planned)s END,
                    CASE WHEN coalesce(own.id, fallback.id) IS NULL THEN %(no_content)s ELSE '' END,
                    '', '', %(now)s, %(now)s,
                    CASE WHEN coalesce(own.id, fallback.id) IS NULL THEN %(now)s END
                FROM page
                LEFT JOIN segments_tierstanding standing
                    ON standing.scheme_id = %(scheme)s AND standing.profile_id = page.profile_id
                LEFT JOIN campaigns_content own
                    ON own.campaign_id = %(campaign)s AND own.tier_id = standing.tier_id
                LEFT JOIN campaigns_content fallback
                    ON fallback.campaign_id = %(campaign)s AND fallback.tier_id IS NULL
                ON CONFLICT (campaign_id, step, profile_id, occurrence) DO NOTHING
            )
            SELECT max(profile_id), count(*) FROM page
            """,  # noqa: S608 - two literals to choose from
            {
                "audience": campaign.segment_id or campaign.tier_scheme_id,
                "after": after,
                "limit": PLAN_SIZE,
                "campaign": campaign.pk,
                "scheme": campaign.tier_scheme_id,
                "step": STEP,
                "occurrence": OCCURRENCE,
                "planned": Delivery.State.PLANNED,
                "suppressed": Delivery.State.SUPPRESSED,
                "no_content": Delivery.Reason.NO_CONTENT,
                "now": now,
            },
        )
        last, n_people = cursor.fetchone()
    return (last, n_people) if n_people else None
