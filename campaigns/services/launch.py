"""Launching: what must be right before, and the step from draft to planning."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Count
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from campaigns.channels.base import all_channels
from campaigns.models import Campaign
from campaigns.rendering import TemplateError, check_template
from campaigns.services.plan import PLAN_CAMPAIGN
from cdp.models import Run, User
from cdp.runs import queue_run
from segments.models import Membership, Tier, TierStanding


class LaunchError(ValueError):
    """A campaign that cannot be launched, with all its problems at once."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__(" ".join(problems))


@dataclass(frozen=True)
class TierAudience:
    """The part of an audience that gets one content; `name` is "" for no tier, `subject` is "" for no content."""

    name: str
    n_recipients: int
    subject: str


@dataclass(frozen=True)
class LaunchCheck:
    """What launching now would meet: `problems` forbid it, `remarks` are worth knowing before.

    `tiers` go from the highest.
    """

    n_recipients: int
    tiers: list[TierAudience]
    problems: list[str]
    remarks: list[str]


def check_launch(campaign: Campaign) -> LaunchCheck:
    """Look at the audience as it is now, and at every content; a fixed number of queries."""
    n_by_tier = _count_by_tier(campaign)
    n_recipients = sum(n_by_tier.values())
    remarks = [] if n_recipients else [_("The audience is empty: nobody will be written to.")]
    return LaunchCheck(
        n_recipients=n_recipients,
        tiers=list(_by_tier(campaign, n_by_tier)),
        problems=list(_problems(campaign)),
        remarks=[*remarks, *_without_content(campaign, n_by_tier)],
    )


def launch_campaign(campaign: Campaign, *, user: User | None, now: datetime) -> Run:
    """Queue the planning of a draft; returns its run. Launching again returns the same run and does nothing twice.

    Where the planning had failed, it is queued once more and goes on where it stopped. Raises LaunchError.
    """
    with transaction.atomic():
        locked = Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
        if not locked.is_draft:
            run = Run.objects.filter(kind=PLAN_CAMPAIGN, subject=locked.key).order_by("-id").first()
            if run is not None and not (locked.state == Campaign.State.PLANNING and run.state == Run.State.FAILED):
                return run
        elif problems := list(_problems(locked)):
            raise LaunchError(problems)
        else:
            locked.state = Campaign.State.PLANNING
            locked.launched_at = now
            locked.save(update_fields=["state", "launched_at"])
        return queue_run(PLAN_CAMPAIGN, locked.key, user=user)


def _problems(campaign: Campaign) -> Iterator[str]:
    if campaign.channel not in {channel.key for channel in all_channels()}:
        known = ", ".join(channel.key for channel in all_channels())
        yield _("There is no channel “%(key)s”; there are: %(known)s.") % {"key": campaign.channel, "known": known}
    contents = list(campaign.contents.select_related("tier").order_by("tier__position", "id"))
    if not contents:
        yield _("The campaign has no content yet: write one for each tier, or one for everybody.")
    for content in contents:
        tier = content.tier.name if content.tier else _("everybody else")
        if content.tier and content.tier.scheme_id != campaign.tier_scheme_id:
            yield _("The content for “%(tier)s” is for a tier of another scheme.") % {"tier": tier}
        for part, source in ((_("subject"), content.subject), (_("body"), content.body)):
            try:
                check_template(source)
            except TemplateError as error:
                yield _("The %(part)s for “%(tier)s” has an error. %(error)s") % {
                    "part": part, "tier": tier, "error": error,
                }  # fmt: skip


def _count_by_tier(campaign: Campaign) -> dict[int | None, int]:
    """Members of the audience by tier id; None is in no tier of the campaign's scheme."""
    standings = TierStanding.objects.filter(scheme=campaign.tier_scheme_id)
    if campaign.segment_id is None:
        return dict(standings.values_list("tier").annotate(n=Count("pk")).order_by())
    members = Membership.objects.filter(segment=campaign.segment_id)
    n_by_tier: dict[int | None, int] = dict(
        standings.filter(profile__in=members.values("profile")).values_list("tier").annotate(n=Count("pk")).order_by()
    )
    n_by_tier[None] = members.count() - sum(n_by_tier.values())
    return n_by_tier


def _by_tier(campaign: Campaign, n_by_tier: dict[int | None, int]) -> Iterator[TierAudience]:
    subjects: dict[int | None, str] = dict(campaign.contents.values_list("tier", "subject"))
    fallback = subjects.get(None, "")
    for tier in Tier.objects.filter(scheme=campaign.tier_scheme_id).order_by("position"):
        yield TierAudience(tier.name, n_by_tier.get(tier.pk, 0), subjects.get(tier.pk, fallback))
    if n_by_tier.get(None):
        yield TierAudience("", n_by_tier[None], fallback)


def _without_content(campaign: Campaign, n_by_tier: dict[int | None, int]) -> Iterator[str]:
    covered = set(campaign.contents.values_list("tier", flat=True))
    if None in covered or not covered:
        return
    names: dict[int | None, str] = dict(Tier.objects.filter(scheme=campaign.tier_scheme_id).values_list("pk", "name"))
    for tier, n_people in n_by_tier.items():
        if n_people and tier not in covered:
            yield ngettext(
                "%(n)s person in “%(tier)s” gets nothing: there is no content for it, and none for everybody else.",
                "%(n)s people in “%(tier)s” get nothing: there is no content for it, and none for everybody else.",
                n_people,
            ) % {"n": n_people, "tier": names.get(tier, _("no tier"))}
