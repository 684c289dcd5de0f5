"""What the clocks of a zone show."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

from django.utils.timezone import get_default_timezone


def on_clocks(moment: datetime, zone: tzinfo | None = None) -> datetime:
    """An aware moment in `zone`, the business zone if none is given. At either end of the calendar, where there may be
    no such day, in UTC: "9999-12-31T23:59:59Z" is a usual way to say "for ever".
    """
    try:
        return moment.astimezone(zone or get_default_timezone())
    except OverflowError:
        return moment.astimezone(UTC)
