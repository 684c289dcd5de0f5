"""What must hold of moments after whatever happened."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from profiles.models import AttributeDefinition, Profile, ProfileMoment

SHANGHAI = ZoneInfo("Asia/Shanghai")


def moments_of(attributes: dict[str, Any], types: dict[str, str]) -> dict[str, tuple[datetime, int]]:
    """What a golden record says of the attributes that are dates and times."""
    found = {}
    for key, value in attributes.items():
        if types.get(key) == "date":
            day = date.fromisoformat(value)
            found[key] = datetime(day.year, day.month, day.day, tzinfo=UTC), day.month * 100 + day.day
        elif types.get(key) == "datetime":
            at = datetime.fromisoformat(value)
            day = at.astimezone(SHANGHAI).date()
            found[key] = at, day.month * 100 + day.day
    return found


def check_moments() -> None:
    """The table holds what the golden records say, and nothing else."""
    types = dict(AttributeDefinition.objects.values_list("key", "type"))
    expected = {
        (pk, key): moment
        for pk, attributes in Profile.objects.values_list("pk", "attributes")
        for key, moment in moments_of(attributes, types).items()
    }
    rows = ProfileMoment.objects.values_list("profile", "definition__key", "at", "month_day")
    assert {(pk, key): (at, month_day) for pk, key, at, month_day in rows} == expected
