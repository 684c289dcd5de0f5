"""What the clocks of a zone show."""

from __future__ import annotations

from datetime import datetime, tzinfo

from django.utils.timezone import get_default_timezone


def on_clocks(moment: datetime, zone: tzinfo | None = None) -> datetime:
    """An aware moment in `zone`, the business zone if none is given. At either end of the calendar, where these may
    have no such day, they show what its own clocks do: "9999-12-31T23:59:59Z" is a usual way to say "for ever", and the
    first second of the year 1 to say nothing.
    """
    zone = zone or get_default_timezone()
    try:
        return moment.astimezone(zone)
    except OverflowError:
        return moment.replace(tzinfo=zone)
