"""How many people a rule finds, and a few of them, before it is saved."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Count, QuerySet, Window
from django.utils.translation import gettext as _

from cdp.local_settings import HEAVY_WORK_MEM, TimeLimitExceeded, deadline, set_local
from cdp.rules.compile import compile_rule
from cdp.rules.parse import parse_rule
from cdp.rules.scope import EVERYBODY
from profiles.models import Profile

TIMEOUT_SECONDS = 10  # somebody waits for it
SAMPLE_SIZE = 10
# A hash of so many people lies outside the processor's caches, and every event looks there. Groups by the order of an
# index or a sort take half of it: 0.39 s of CPU for a count of 1,800,000 events of 200,000 people, 0.95 by hash.
# And to compile a hundred conditions to machine code takes longer than to ask them.
PREVIEW_SETTINGS = {"work_mem": HEAVY_WORK_MEM, "enable_hashagg": "off", "jit": "off"}


@dataclass(frozen=True)
class Preview:
    """The exact number of profiles, and the public ids of the ten oldest of them."""

    count: int
    sample: list[UUID]


class PreviewTimeout(Exception):
    """The rule takes longer than a preview may; saved, it is refreshed without such a limit."""

    def __init__(self) -> None:
        super().__init__(
            _(
                "The count takes longer than %(seconds)d seconds. Shorter time windows and fewer conditions on events "
                "make it faster."
            )
            % {"seconds": TIMEOUT_SECONDS}
        )


def preview_rule(rule_json: Any, *, now: datetime) -> Preview:
    """Count those for whom the rule holds at `now`; segments, tags, tiers and scores are those of their last refresh.

    Raises:
        RuleError: the rule has problems.
        PreviewTimeout: all of it together, reading the rule too, took TIMEOUT_SECONDS and was cancelled.
    """
    with in_time(**PREVIEW_SETTINGS):
        found = _found_by(rule_json, now=now)
        # One statement, so that count and sample are of one moment and the rule is evaluated once.
        rows = found.annotate(n_found=Window(Count("*"))).order_by("pk").values_list("public_id", "n_found")
        sample = list(rows[:SAMPLE_SIZE])
    return Preview(count=sample[0][1] if sample else 0, sample=[public_id for public_id, _n_found in sample])


def people_of_rule(rule_json: Any, *, now: datetime) -> list[int]:
    """The ids of those for whom the rule holds at `now`, in order, for work that is done for them; raises as
    `preview_rule` does.
    """
    with in_time(**PREVIEW_SETTINGS):
        return list(_found_by(rule_json, now=now).order_by("pk").values_list("pk", flat=True))


@contextmanager
def in_time(**settings: str) -> Iterator[None]:
    """A transaction with these settings, for which somebody waits. Raises PreviewTimeout."""
    try:
        with transaction.atomic():
            set_local(**settings)
            with deadline(TIMEOUT_SECONDS):
                yield
    except TimeLimitExceeded as error:
        raise PreviewTimeout from error


def _found_by(rule_json: Any, *, now: datetime) -> QuerySet[Profile]:
    return Profile.objects.current().filter(compile_rule(parse_rule(rule_json), scope=EVERYBODY, now=now))
