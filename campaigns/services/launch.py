"""Launching: what must be right before, and the step from draft to planning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from campaigns.channels.base import all_channels
from campaigns.models import Campaign
from campaigns.services.audience import Part, count_audience
from campaigns.services.missing import without_values
from campaigns.services.plan import PLAN_CAMPAIGN
from campaigns.variables import load_names, template_problems
from cdp.audit import write_change
from cdp.models import Run, User
from cdp.runs import queue_run
from segments.models import Tier


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
    n_reachable: int
    subject: str


@dataclass(frozen=True)
class LaunchCheck:
    """What launching now would meet: `problems` forbid it, `remarks` are worth knowing before.

    `tiers` go from the highest; `parts` are the same by tier id. Reachable
    are whom `Part` says.
    """

    n_recipients: int
    n_reachable: int
    parts: Mapping[int | None, Part]
    tiers: list[TierAudience]
    problems: list[str]
    remarks: list[str]


def check_launch(campaign: Campaign) -> LaunchCheck:
    """Look at the audience as it is now, and at every content; as many queries for any number of people."""
    parts = count_audience(campaign)
    n_recipients = sum(part.n_recipients for part in parts.values())
    n_reachable = sum(part.n_reachable for part in parts.values())
    remarks = []
    if not n_recipients:
        remarks.append(_("The audience is empty: nobody will be written to."))
    elif not n_reachable:
        remarks.append(_("Nobody in the audience can be reached: no address may be written to, or consent was denied."))
    elif n_missed := n_recipients - n_reachable:
        remarks.append(
            ngettext(
                "%(n)s person gets nothing: no address of this channel may be written to, or consent was denied.",
                "%(n)s people get nothing: no address of this channel may be written to, or consent was denied.",
                n_missed,
            )
            % {"n": n_missed}
        )
    return LaunchCheck(
        n_recipients=n_recipients,
        n_reachable=n_reachable,
        parts=parts,
        tiers=list(_by_tier(campaign, parts)),
        problems=list(_problems(campaign)),
        remarks=[*remarks, *_without_content(campaign, parts), *without_values(campaign)],
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
            before = {"state": locked.state, "launched_at": None}
            locked.state = Campaign.State.PLANNING
            locked.launched_at = now
            locked.save(update_fields=["state", "launched_at"])
            if user is not None:
                write_change(user, locked, before=before, after={"state": locked.state, "launched_at": now})
        return queue_run(PLAN_CAMPAIGN, locked.key, user=user)


def _problems(campaign: Campaign) -> Iterator[str]:
    if campaign.channel not in {channel.key for channel in all_channels()}:
        known = ", ".join(channel.key for channel in all_channels())
        yield _("There is no channel “%(key)s”; there are: %(known)s.") % {"key": campaign.channel, "known": known}
    contents = list(campaign.contents.select_related("tier").order_by("tier__position", "id"))
    if not contents:
        yield _("The campaign has no content yet: write one for each tier, or one for everybody.")
    names = load_names(has_tiers=campaign.tier_scheme_id is not None)
    for content in contents:
        tier = content.tier.name if content.tier else _("everybody else")
        if content.tier and content.tier.scheme_id != campaign.tier_scheme_id:
            yield _("The content for “%(tier)s” is for a tier of another scheme.") % {"tier": tier}
        for part, source in ((_("subject"), content.subject), (_("body"), content.body)):
            for error in template_problems(source, names):
                yield _("The %(part)s for “%(tier)s” has an error. %(error)s") % {
                    "part": part, "tier": tier, "error": error,
                }  # fmt: skip


def _by_tier(campaign: Campaign, parts: Mapping[int | None, Part]) -> Iterator[TierAudience]:
    nobody = Part(0, 0, None)
    subjects: dict[int | None, str] = dict(campaign.contents.values_list("tier", "subject"))
    fallback = subjects.get(None, "")
    for tier in Tier.objects.filter(scheme=campaign.tier_scheme_id).order_by("position"):
        part = parts.get(tier.pk, nobody)
        yield TierAudience(tier.name, part.n_recipients, part.n_reachable, subjects.get(tier.pk, fallback))
    if None in parts:
        yield TierAudience("", parts[None].n_recipients, parts[None].n_reachable, fallback)


def _without_content(campaign: Campaign, parts: Mapping[int | None, Part]) -> Iterator[str]:
    covered = set(campaign.contents.values_list("tier", flat=True))
    if None in covered or not covered:
        return
    names: dict[int | None, str] = dict(Tier.objects.filter(scheme=campaign.tier_scheme_id).values_list("pk", "name"))
    for tier, part in parts.items():
        if tier not in covered:
            yield ngettext(
                "%(n)s person in “%(tier)s” gets nothing: there is no content for it, and none for everybody else.",
                "%(n)s people in “%(tier)s” get nothing: there is no content for it, and none for everybody else.",
                part.n_recipients,
            ) % {"n": part.n_recipients, "tier": names.get(tier, _("no tier"))}
