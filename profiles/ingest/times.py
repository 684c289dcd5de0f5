"""Times as clients write them."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo


def parse_time(written: object, *, zone: tzinfo = UTC) -> datetime | None:
    """An ISO 8601 text as an aware time in UTC, or None where it is not one; `zone` is that of a time without one."""
    if not isinstance(written, str):
        return None
    try:
        time = datetime.fromisoformat(written.strip())
        return (time if time.tzinfo else time.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):  # the years 1 and 9999 have no room for an offset
        return None
