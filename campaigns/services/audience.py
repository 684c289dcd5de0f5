"""Who a campaign would reach now, by tier, and what one of them would read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.db import connection

from campaigns.channels.base import all_channels
from campaigns.models import Campaign, Content
from campaigns.rendering import MissingValueError, Rendered, RenderError, render
from campaigns.services.recipients import context_of
from cdp.disclosure import Viewer
from profiles.masking import mask_attributes
from profiles.models import Consent, Profile
from profiles.sections import load_sections
from segments.models import Tier


@dataclass(frozen=True)
class Part:
    """The audience in one tier. Reachable: consent not denied, and the address that is written to (`recipients.py` says
    which of several) not suppressed; `first_id` is one of those.
    """

    n_recipients: int
    n_reachable: int
    first_id: int | None


@dataclass(frozen=True)
class Sample:
    """A content as one reachable person would get it; `problem` says why they would not."""

    tier: str
    person: Profile | None
    message: Rendered | None = None
    problem: str = ""


def count_audience(campaign: Campaign) -> dict[int | None, Part]:
    """By tier id, of the audience as it is now; None is in no tier of the campaign's scheme. One query."""
    channel = {channel.key: channel for channel in all_channels()}.get(campaign.channel)
    if campaign.segment_id is not None:
        members = "SELECT profile_id FROM segments_membership WHERE segment_id = %(audience)s"
    else:
        members = "SELECT profile_id FROM segments_tierstanding WHERE scheme_id = %(audience)s"
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH denied AS (
                SELECT profile_id FROM (
                    SELECT DISTINCT ON (profile_id) profile_id, state
                    FROM profiles_consent
                    WHERE channel = %(consent)s
                    ORDER BY profile_id, occurred_at DESC, state, id DESC
                ) AS in_force
                WHERE state = %(denied)s
            ), of_channel AS (
                SELECT identifier.*
                FROM profiles_identifier AS identifier
                JOIN profiles_identifierkind AS kind ON kind.id = identifier.kind_id
                WHERE kind.key = %(address)s
            ), listed AS (
                SELECT of_channel.id, of_channel.profile_id
                FROM of_channel
                JOIN campaigns_suppression AS suppression USING (kind_id, value)
                WHERE suppression.channel IN ('', %(consent)s)
            ), suppressed AS (
                SELECT profile_id FROM (
                    SELECT DISTINCT ON (of_channel.profile_id) of_channel.profile_id, of_channel.id
                    FROM of_channel
                    JOIN profiles_profile AS person ON person.id = of_channel.profile_id
                    WHERE person.id IN (SELECT profile_id FROM listed)
                    ORDER BY of_channel.profile_id,
                        (lower(btrim(person.attributes ->> %(address)s)) = lower(of_channel.value)) IS TRUE DESC,
                        of_channel.first_seen_at DESC,
                        of_channel.id DESC
                ) AS chosen
                WHERE id IN (SELECT id FROM listed)
            ), audience AS (
                SELECT member.profile_id, standing.tier_id,
                       member.profile_id IN (SELECT profile_id FROM of_channel)
                           AND member.profile_id NOT IN (SELECT profile_id FROM suppressed)
                           AND member.profile_id NOT IN (SELECT profile_id FROM denied) AS is_reachable
                FROM ({members}) AS member
                LEFT JOIN segments_tierstanding AS standing
                    ON standing.scheme_id = %(scheme)s AND standing.profile_id = member.profile_id
            )
            SELECT tier_id, count(*), count(*) FILTER (WHERE is_reachable), min(profile_id) FILTER (WHERE is_reachable)
            FROM audience
            GROUP BY tier_id
            """,  # noqa: S608 - two literals to choose from
            {
                "audience": campaign.segment_id or campaign.tier_scheme_id,
                "scheme": campaign.tier_scheme_id,
                "address": channel.identifier_kind if channel else "",
                "consent": channel.consent_channel if channel else "",
                "denied": Consent.State.DENIED,
            },
        )
        return {tier_id: Part(*numbers) for tier_id, *numbers in cursor.fetchall()}


def render_samples(campaign: Campaign, parts: Mapping[int | None, Part], *, viewer: Viewer) -> list[Sample]:
    """One for each content, with what `viewer` may not see masked; a fixed number of queries."""
    contents = list(campaign.contents.select_related("tier").order_by("tier__position", "id"))
    own = {content.tier_id for content in contents}
    tiers = Tier.objects.in_bulk([tier_id for tier_id in parts if tier_id is not None])
    chosen: dict[int, tuple[int, Tier | None]] = {}  # by content: whom, and in which tier
    for content in contents:
        wanted = [content.tier_id] if content.tier_id else [tier_id for tier_id in parts if tier_id not in own - {None}]
        for tier_id in wanted:
            if tier_id in parts and (first_id := parts[tier_id].first_id) is not None:
                chosen[content.pk] = first_id, tiers.get(tier_id) if tier_id else None
                break
    people = Profile.objects.select_related("last_sight").in_bulk([person_id for person_id, _tier in chosen.values()])
    sections = load_sections(list(people), keys={"tags", "scores"})
    samples = []
    for content in contents:
        name = content.tier.name if content.tier else ""
        if content.pk not in chosen:
            samples.append(Sample(name, None))
            continue
        person_id, tier = chosen[content.pk]
        person = people[person_id]
        person.attributes = mask_attributes(person.attributes, viewer)
        samples.append(_sample(name, content, person, context_of(person, tier, sections[person_id])))
    return samples


def _sample(tier: str, content: Content, person: Profile, context: dict[str, object]) -> Sample:
    try:
        return Sample(tier, person, render(subject=content.subject, body=content.body, context=context))
    except MissingValueError as error:
        return Sample(tier, person, problem=error.variable)
    except RenderError as error:
        return Sample(tier, person, problem=str(error))
