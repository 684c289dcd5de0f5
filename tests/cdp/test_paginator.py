"""Long lists are paged and counted within bounds."""

import pytest
from django.core.paginator import EmptyPage

from cdp import paginator
from cdp.models import Run
from cdp.paginator import BoundedPaginator

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("n_rows", "count", "has_more"), [(0, 0, False), (3, 3, False), (4, 3, True)])
def test_rows_are_counted_up_to_the_bound(monkeypatch, n_rows, count, has_more):
    monkeypatch.setattr(paginator, "MAX_ROWS", 3)
    Run.objects.bulk_create(Run(kind="count", subject=str(n)) for n in range(n_rows))

    pages = BoundedPaginator(Run.objects.all(), per_page=2)

    assert (pages.count, pages.has_more) == (count, has_more)


def test_there_is_no_page_past_the_bound(monkeypatch):
    monkeypatch.setattr(paginator, "MAX_ROWS", 4)
    Run.objects.bulk_create(Run(kind="count", subject=str(n)) for n in range(9))

    pages = BoundedPaginator(Run.objects.order_by("pk"), per_page=2)

    assert pages.num_pages == 2
    with pytest.raises(EmptyPage):
        pages.page(3)


def test_the_count_reads_no_more_than_the_bound(django_assert_num_queries):
    with django_assert_num_queries(1) as queries:
        assert BoundedPaginator(Run.objects.order_by("-id"), per_page=2).count == 0

    assert "LIMIT 10001" in queries[0]["sql"]
    assert "ORDER BY" not in queries[0]["sql"]
