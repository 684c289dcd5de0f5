"""The main job, once through, by the workers of a running stack: from files to messages in the outbox.

Every step looks first at what is there already: a second telling adds nothing, and one after a kill goes on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from django.core.files import File
from django.db import transaction
from django.utils import timezone

from campaigns.models import Campaign, Content
from campaigns.services.launch import launch_campaign
from campaigns.services.stats import campaign_stats
from cdp.models import Run
from demo import offer
from demo.door import Door
from demo.generator import (
    MEMBERS_FILE,
    MISHAPS_FOLDER,
    PLAN_FILE,
    UPDATES_FILE,
    Plan,
    read_plan,
    write_files,
)
from demo.lives import user_id_of
from demo.patience import Progress, wait_for_changes, wait_for_inbox, wait_for_run, wait_until_none
from demo.sayings import TILL, WEB, WECHAT
from profiles.ingest.message import message_key
from profiles.models import EventDefinition, Import, MessageKey, RejectedMessage, Source
from profiles.services.definitions import save_event_definition, save_source
from profiles.services.duplicates.engine import is_installed
from profiles.services.duplicates.search import FIND_DUPLICATES, queue_search
from profiles.services.imports import create_import, queue_import
from profiles.services.resolve import find_by_identifiers
from segments.models import Segment, Tier, TierScheme
from segments.services import save_segment, save_tier_scheme
from tags.models import Score, Tag, TagValue
from tags.services import assign_tag, save_tag
from tags.services.days import count_days
from tags.services.score import SCORE, queue_scoring

SEND_SIZE = 500  # messages a request of a busy shop


@dataclass(frozen=True)
class Story:
    """What the steps share: the folder of the shop's files, the door that its messages go in by, and the clock."""

    folder: Path
    door: Door
    n_customers: int
    clock: Callable[[], datetime]


@dataclass(frozen=True)
class Step:
    """A part of the story, named in both languages. `tell` reports how far it is."""

    name: str
    tell: Callable[[Story, Progress], None]


def make_files(story: Story, progress: Progress) -> None:
    """Generate the shop's files, once a data folder: their last day is the one before the first telling."""
    if not (story.folder / PLAN_FILE).exists():
        zone = timezone.get_default_timezone()
        yesterday = timezone.localtime(story.clock(), zone).date() - timedelta(days=1)
        write_files(story.folder, Plan(yesterday.isoformat(), str(zone), n_customers=story.n_customers))
    progress(1, 1)


def connect_sources(story: Story, progress: Progress) -> None:
    for key, name, kind, rank in offer.SOURCES:
        Source.objects.get_or_create(key=key, defaults={"name": name, "kind": kind, "rank": rank})
    progress(len(offer.SOURCES), len(offer.SOURCES))


def import_members(story: Story, progress: Progress) -> None:
    """The till's file of members, by a worker."""
    import_file(story, MEMBERS_FILE, offer.MEMBERS_MAPPING, progress)


def import_updates(story: Story, progress: Progress) -> None:
    """The till's second file, with its mapping guessed and a few rows refused. Older folders have none."""
    if (story.folder / UPDATES_FILE).exists():
        import_file(story, UPDATES_FILE, None, progress)


def import_file(story: Story, name: str, mapping: dict[str, Any] | None, progress: Progress) -> None:
    till = Source.objects.get(key="till")
    import_ = Import.objects.filter(source=till, name=name).last()
    if import_ is None:
        with (story.folder / name).open("rb") as file:
            import_ = create_import(File(file), name=name, source=till, mapping=mapping, now=story.clock())
    if not (import_.is_complete or import_.taken_back_at):
        wait_for_run(import_.run if import_.run and import_.is_running else queue_import(import_, user=None), progress)


def collect_messages(story: Story, progress: Progress) -> None:
    """Slice after slice, what the channels say; each is processed before the next comes, as it was in life."""
    slices = sorted(story.folder.glob("slice-*"))
    for number, folder in enumerate(slices):
        for path in sorted(folder.glob("*.ndjson")):
            source = Source.objects.get(key=path.stem)
            messages = iter(unseen(source, read_messages(path)))
            while chunk := list(islice(messages, SEND_SIZE)):
                story.door.send(source, chunk)
        wait_for_inbox(part_of(progress, number, len(slices)))
    progress(1, 1)


def part_of(progress: Progress, number: int, n_parts: int) -> Progress:
    """Progress of one of several parts, as progress of the whole in percent of a part."""
    return lambda done, total: progress(number * 100 + done * 100 // total, n_parts * 100)


def read_messages(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def unseen(source: Source, messages: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that were not processed yet."""
    by_key = {message_key(source.pk, message["messageId"]): message for message in messages}
    seen = set(MessageKey.objects.filter(key__in=by_key).values_list("key", flat=True))
    return [message for key, message in by_key.items() if key not in seen]


def watch_quality(story: Story, progress: Progress) -> None:
    """Events are planned, sources say what becomes of surprises, and then come some. Older folders have none.

    Those of the website come last: where they were processed, all that was rejected is there, or was seen to.
    """
    web = Source.objects.get(key=WEB)
    surprises = {key: mishaps_of(story, key) for key in (WECHAT, TILL, WEB)}
    if not unseen(web, surprises[WEB]):
        return
    for name, schema in offer.SCHEMAS.items():
        definition = EventDefinition.objects.get(name=name)
        definition.schema, definition.is_discovered = schema, False
        save_event_definition(definition, user=None, changed=("schema", "is_discovered"))
    for key, policies in offer.POLICIES.items():
        source = Source.objects.get(key=key)
        for field, handling in policies.items():
            setattr(source, field, handling)
        save_source(source, user=None, changed=policies)
    for key, messages in surprises.items():
        source = Source.objects.get(key=key)
        story.door.send(source, unrejected(source, unseen(source, messages)))
        wait_for_inbox(progress)


def mishaps_of(story: Story, key: str) -> list[dict[str, Any]]:
    path = story.folder / MISHAPS_FOLDER / f"{key}.ndjson"
    return list(read_messages(path)) if path.exists() else []


def unrejected(source: Source, messages: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that do not wait among the rejected, of which no key is kept."""
    payloads = RejectedMessage.objects.filter(source=source).values_list("payload", flat=True)
    waiting = {json.loads(payload).get("messageId") for payload in payloads}
    return [message for message in messages if message["messageId"] not in waiting]


def find_duplicates(story: Story, progress: Progress) -> None:
    """The weekly search, once, where its extra is installed."""
    if is_installed() and not Run.objects.filter(kind=FIND_DUPLICATES, state=Run.State.SUCCEEDED).exists():
        wait_for_run(queue_search(), progress)


def compute_scores(story: Story, progress: Progress) -> None:
    """By a worker; beat has them computed again every day."""
    if not Score.objects.filter(model=offer.SCORE).exists():
        queue_scoring(offer.SCORE)
    for run in Run.objects.unfinished().filter(kind=SCORE):
        wait_for_run(run, progress)
    progress(1, 1)


def define_tags(story: Story, progress: Progress) -> None:
    """A tag by hand for the shop's own list, one by rule, and one by score; and who carries them is counted by day."""
    for given, values in offer.TAGS:
        if not Tag.objects.filter(key=given["key"]).exists():
            save_tag(Tag(**given), values=[TagValue(**value) for value in values])
    n_customers = read_plan(story.folder).n_customers
    listed = [("user_id", user_id_of(number)) for number in range(0, n_customers + 1, offer.TASTING_EVERY)]
    assign_tag(Tag.objects.get(key=offer.TASTING), list(find_by_identifiers(listed).values()), now=story.clock())
    wait_for_refreshes(story, progress)
    count_days()


def define_segments(story: Story, progress: Progress) -> None:
    for given in offer.SEGMENTS:
        if not Segment.objects.filter(key=given["key"]).exists():
            save_segment(Segment(**given))
    wait_for_refreshes(story, progress)


def define_tiers(story: Story, progress: Progress) -> None:
    if not TierScheme.objects.filter(key=offer.SCHEME).exists():
        scheme = TierScheme(key=offer.SCHEME, name=offer.SCHEME_NAME)
        save_tier_scheme(scheme, tiers=[Tier(**tier) for tier in offer.TIERS])
    wait_for_refreshes(story, progress)


def send_campaign(story: Story, progress: Progress) -> None:
    """A message for each tier, into the outbox."""
    campaign = write_campaign()
    wait_for_run(launch_campaign(campaign, user=None, now=story.clock()), progress)

    def count_left() -> int:
        by_state = campaign_stats(campaign).by_state
        return by_state["planned"] + by_state["claimed"] + by_state["sending"]

    wait_until_none("deliveries", count_left, progress)
    wait_until_none(
        "campaigns", Campaign.objects.filter(pk=campaign.pk).exclude(state=Campaign.State.FINISHED).count, progress
    )


def write_campaign() -> Campaign:
    """The campaign with its contents, written once."""
    scheme = TierScheme.objects.get(key=offer.SCHEME)
    with transaction.atomic():
        campaign, is_new = Campaign.objects.get_or_create(
            key=offer.CAMPAIGN,
            defaults={"name": offer.CAMPAIGN_NAME, "channel": "outbox", "tier_scheme": scheme},
        )
        if is_new:
            tiers = {tier.key: tier for tier in scheme.tiers.all()}
            Content.objects.bulk_create(
                Content(campaign=campaign, tier=tiers[tier], subject=subject, body=body)
                for tier, subject, body in offer.CONTENTS
            )
    return campaign


def wait_for_refreshes(story: Story, progress: Progress) -> None:
    """Until every full refresh has ended, and everybody who changed was judged."""
    for run in Run.objects.unfinished().filter(kind="refresh"):
        wait_for_run(run, progress)
    wait_for_changes(story.clock, progress)


STEPS = (
    Step("生成数据 Make the files", make_files),
    Step("连接来源 Connect sources", connect_sources),
    Step("导入会员 Import members", import_members),
    Step("收集并统一身份 Collect and unify", collect_messages),
    Step("检查质量 Watch the quality", watch_quality),
    Step("导入更新 Import updates", import_updates),
    Step("评分 Score (RFM)", compute_scores),
    Step("打标签 Tag", define_tags),
    Step("分群 Segment", define_segments),
    Step("定级 Tier", define_tiers),
    Step("按等级触达 Send to each tier", send_campaign),
    Step("查找重复 Look for duplicates", find_duplicates),
)
