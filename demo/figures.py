"""What came of the story, counted in the database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.db.models import Count

from campaigns.models import Campaign
from campaigns.services.stats import CampaignStats, campaign_stats
from cdp.models import Run
from demo import offer
from demo.generator import TRUTH_FILE
from demo.sayings import Name
from demo.truth import Evaluation, evaluate, read_truth
from profiles.models import (
    DuplicateSuggestion,
    Event,
    Identifier,
    IdentityConflict,
    Import,
    MessageKey,
    Profile,
    ProfileMerge,
    RejectedMessage,
    Violation,
)
from profiles.services.duplicates.search import FIND_DUPLICATES
from segments.models import Segment, TierStanding
from tags.models import Score, TagAssignment


@dataclass(frozen=True)
class Figures:
    """The figures of the table; sizes by name, in the order in which they are shown."""

    n_messages: int
    n_rejected: int
    n_events: int
    n_profiles: int
    n_merges: int
    evaluation: Evaluation
    scores: dict[str, int]
    tags: dict[str, int]
    segments: dict[str, int]
    tiers: dict[str, int]
    campaign: CampaignStats


def count_figures(folder: Path) -> Figures:
    return Figures(
        n_messages=MessageKey.objects.count(),
        n_rejected=RejectedMessage.objects.count(),
        n_events=Event.objects.count(),
        n_profiles=Profile.objects.current().count(),
        n_merges=ProfileMerge.objects.count(),
        evaluation=evaluate(read_truth(folder / TRUTH_FILE), found_identifiers()),
        scores=dict(
            Score.objects.filter(model=offer.SCORE)
            .values_list("values__class")
            .annotate(n=Count("pk"))
            .order_by("-values__class")
        ),
        tags={
            f"{tag} · {value}" if value else tag: n
            for tag, value, n in TagAssignment.objects.values_list("tag__name", "value__name")
            .annotate(n=Count("pk"))
            .order_by("tag__key", "value__position")
        },
        segments=dict(Segment.objects.annotate(n=Count("memberships")).order_by("-n", "key").values_list("name", "n")),
        tiers=dict(
            TierStanding.objects.filter(scheme__key=offer.SCHEME)
            .values_list("tier__name")
            .annotate(n=Count("pk"))
            .order_by("tier__position")
        ),
        campaign=campaign_stats(Campaign.objects.get(key=offer.CAMPAIGN)),
    )


@dataclass(frozen=True)
class Sight:
    """A page worth a look; `n` of what is on it, None where nothing looked for them yet."""

    name: str
    n: int | None
    page: str


def count_sights() -> list[Sight]:
    """What waits for an operator: by the name in the menu and the URL's name."""
    suggestions = DuplicateSuggestion.objects.open().count()
    was_searched = Run.objects.filter(kind=FIND_DUPLICATES).exists()
    return [
        Sight("合并记录 Merges", ProfileMerge.objects.count(), "profiles_profilemerge_changelist"),
        Sight(
            "身份冲突 Identity conflicts",
            IdentityConflict.objects.open().count(),
            "profiles_identityconflict_changelist",
        ),
        Sight(
            "疑似重复 Possible duplicates",
            suggestions if was_searched else None,
            "profiles_duplicatesuggestion_changelist",
        ),
        Sight("导入 Imports", Import.objects.count(), "profiles_import_changelist"),
        Sight("数据质量 Data quality", Violation.objects.count(), "profiles_quality"),
        Sight("拒收消息 Rejected messages", RejectedMessage.objects.count(), "profiles_rejectedmessage_changelist"),
    ]


def found_identifiers() -> Iterator[tuple[Name, int]]:
    """Every identifier, and the profile that it was given to."""
    rows = Identifier.objects.values_list("kind__key", "value", "profile_id")
    for kind, value, profile_id in rows.iterator(chunk_size=10_000):
        yield (kind, value), profile_id
