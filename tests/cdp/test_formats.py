"""One way to write a date, in every language."""

from datetime import UTC, datetime

import pytest
from django.utils.formats import date_format
from django.utils.translation import override


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_dates_and_times_are_written_one_way(language):
    moment = datetime(2026, 11, 22, 21, 49, tzinfo=UTC)

    with override(language):
        assert date_format(moment, "DATETIME_FORMAT") == "2026-11-22 21:49"
        assert date_format(moment, "DATE_FORMAT") == "2026-11-22"
