"""Pages by key."""

import pytest

from cdp.keyset import keyset_page
from cdp.models import Run

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("newest_first", [False, True])
def test_pages_follow_each_other_without_gap_or_repeat(newest_first):
    rows = Run.objects.bulk_create(Run(kind="count", subject=str(n)) for n in range(5))
    wanted = sorted((row.pk for row in rows), reverse=newest_first)

    found, after = [], ""
    while True:
        page = keyset_page(Run.objects.all(), key="pk", after=after, size=2, newest_first=newest_first)
        found += [row.pk for row in page.rows]
        if page.next_after is None:
            break
        after = str(page.next_after)

    assert found == wanted


@pytest.mark.parametrize("after", ["", "x", "-1", "9" * 30, "٣"])
def test_what_is_no_key_is_the_first_page(after):
    row = Run.objects.create(kind="count", subject="a")

    page = keyset_page(Run.objects.all(), key="pk", after=after)

    assert page.is_first
    assert page.rows == [row]
