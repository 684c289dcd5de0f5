"""How the story is shown at a terminal: progress while it is told, and a table at the end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from urllib.parse import urljoin

from django.urls import reverse
from django.utils.translation import override
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from campaigns.models import Delivery
from demo.account import Account
from demo.figures import Figures, Sight
from demo.patience import Progress as Report
from demo.story import STEPS, Story
from tags.scoring.rfm import CLASSES


def tell(story: Story, console: Console) -> dict[str, float]:
    """Tell every step with a bar; returns the seconds of each by name."""
    seconds: dict[str, float] = {}
    for step in STEPS:
        started = time.monotonic()
        with reporting(step.name, console) as report:
            step.tell(story, report)
        seconds[step.name] = time.monotonic() - started
        console.print(f"[green]✓[/] {step.name}  {seconds[step.name]:.1f} s")
    return seconds


@contextmanager
def reporting(name: str, console: Console) -> Iterator[Report]:
    """A bar that goes away when its step ends; nothing where the output is no terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(name, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total or None)


def show_figures(figures: Figures, seconds: dict[str, float], console: Console) -> None:
    table = Table(title="结果 What came of it", show_header=False, title_justify="left")
    table.add_column(min_width=44)
    table.add_column(justify="right")
    table.add_row("消息 Messages in", f"{figures.n_messages:,}")
    table.add_row("拒收 Rejected", f"{figures.n_rejected:,}")
    table.add_row("事件 Events", f"{figures.n_events:,}")
    table.add_row("客户 Profiles out", f"{figures.n_profiles:,}")
    table.add_row("合并 Merges", f"{figures.n_merges:,}")
    table.add_row("合并精确率 Precision of the merges", f"{figures.evaluation.precision:.4f}")
    table.add_row("合并召回率 Recall of the merges", f"{figures.evaluation.recall:.4f}", end_section=True)
    add_section(
        table, "RFM 分类 RFM classes", {f"{key} {in_both(CLASSES[key])}": n for key, n in figures.scores.items()}
    )
    add_section(table, "标签 Tags", figures.tags)
    add_section(table, "分群 Segments", figures.segments)
    add_section(table, "等级 Tiers", figures.tiers)
    campaign = figures.campaign
    add_section(
        table,
        "各等级消息 Messages per tier",
        {tier.name: f"{tier.by_state['sent']:,} / {tier.n_deliveries:,}" for tier in campaign.tiers},
    )
    labels = dict(Delivery.Reason.choices)
    add_section(table, "未发送 Not sent", {in_both(labels[reason]): n for reason, n in campaign.by_reason.items()})
    add_section(table, "用时（秒） Seconds per step", {name: f"{n:.1f}" for name, n in seconds.items()})
    console.print(table)


def in_both(text: object) -> str:
    """A lazy message in Chinese, then in English."""
    said = []
    for language in ("zh-hans", "en"):
        with override(language):
            said.append(str(text))
    return " ".join(said)


def add_section(table: Table, title: str, rows: Mapping[str, int | str]) -> None:
    table.add_row(f"[bold]{title}[/]", "")
    for position, (name, value) in enumerate(rows.items(), start=1):
        shown = f"{value:,}" if isinstance(value, int) else value
        table.add_row(f"  {name}", shown, end_section=position == len(rows))


def show_access(url: str, account: Account, console: Console) -> None:
    """Where to look, and how to ask: nothing is wrapped, so that it can be copied."""
    password = account.password or "(您自己设置的密码 the one that you set)"
    for line in (
        f"网址 URL       {url}",
        f"登录 Login     {account.username} / {password}",
        f"接口 API       curl -H 'Authorization: Bearer {account.token}' '{url}api/v1/segments/'",
    ):
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def show_sights(url: str, sights: Sequence[Sight], console: Console) -> None:
    """The pages on which something waits for an operator."""
    console.print("看看 Look at", highlight=False)
    for sight in sights:
        n = f"{sight.n:,}" if sight.n is not None else "-"
        line = f"  {n:>6}  {sight.name}  {urljoin(url, reverse(f'admin:{sight.page}'))}"
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    if any(sight.n is None for sight in sights):
        console.print(
            "       -  README.md, “Extras”: 查找重复需要扩展 duplicates wants its extra",
            soft_wrap=True,
            highlight=False,
        )
