"""How many people carry a tag, and with which values; of a draft, how many would."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import Count

from cdp.rules.scope import EVERYBODY
from profiles.models import Profile
from profiles.refresh.engine import outcome_statement, parsed
from profiles.services.preview import PREVIEW_SETTINGS, in_time
from tags.holders import NO_VALUE, holder_of_tag
from tags.models import Tag, TagAssignment, TagValue


@dataclass(frozen=True)
class ValueShare:
    """How many carry one value (None: the tag without one), and their share of all carriers in percent."""

    value: TagValue | None
    n_carriers: int
    percent: float


@dataclass(frozen=True)
class Coverage:
    """`percent` is the share of all people who carry the tag, or would; `values` are in the order of their rules."""

    n_carriers: int
    n_profiles: int
    percent: float
    values: list[ValueShare]


def coverage_of(tag: Tag, *, now: datetime) -> Coverage:
    """Exact numbers; a draft by rule is judged for it and nothing is written.

    Raises RuleError and PreviewTimeout for a draft by rule.
    """
    is_preview = tag.lifecycle == Tag.Lifecycle.DRAFT and tag.is_by_rule
    numbers = preview_outcomes(tag, now=now) if is_preview else count_carriers(tag, now=now)
    n_profiles = Profile.objects.current().count()
    n_carriers = sum(numbers.values())
    values: list[TagValue | None] = [*tag.values.all()]
    if not values or numbers.get(NO_VALUE):  # who carried it before it had values has none
        values.append(None)
    return Coverage(
        n_carriers=n_carriers,
        n_profiles=n_profiles,
        percent=share(n_carriers, n_profiles),
        values=[value_share(value, numbers, n_carriers) for value in values],
    )


def value_share(value: TagValue | None, numbers: dict[int, int], n_carriers: int) -> ValueShare:
    n = numbers.get(value.pk if value else NO_VALUE, 0)
    return ValueShare(value, n, share(n, n_carriers))


def share(part: int, whole: int) -> float:
    return round(100 * part / whole, 2) if whole else 0.0


def count_carriers(tag: Tag, *, now: datetime) -> dict[int, int]:
    """Numbers of those who carry the tag, by the id of the value; by index alone."""
    live = TagAssignment.objects.live(now).filter(tag=tag).order_by()
    counted = live.values_list("value").annotate(n=Count("pk"))
    return {value_id or NO_VALUE: n for value_id, n in counted}


def preview_outcomes(tag: Tag, *, now: datetime) -> dict[int, int]:
    """Numbers of those whom the rules would mark, by the id of the value. Raises RuleError and PreviewTimeout."""
    with in_time(**PREVIEW_SETTINGS), connection.cursor() as cursor:
        holder = holder_of_tag(tag)
        statement, params = outcome_statement(holder, parsed([holder])[holder.key], scope=EVERYBODY, now=now)
        cursor.execute(
            f"SELECT outcome, count(*) FROM ({statement}) AS judged (id, outcome) GROUP BY outcome",  # noqa: S608
            params,
        )
        return dict(cursor.fetchall())
