"""Segments to choose from while one types."""

import pytest

from cdp.admin import searched
from cdp.roles import VIEWER
from tests.factories.profiles import SEEN_AT
from tests.factories.segments import SegmentFactory, StaticSegmentFactory
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db
OPTIONS = "/admin/segments/segment/options/"


def texts(answer):
    return [each["text"] for each in answer.json()["results"]]


def test_those_in_use_are_found_by_a_part_of_name_or_key_and_come_in_pages(monkeypatch):
    monkeypatch.setattr(searched, "PAGE_SIZE", 2)
    for n in range(5):
        SegmentFactory(key=f"loyal-{n}", name=f"忠诚 {n}", n_members=1000 * n)
    SegmentFactory(key="gone", name="忠诚 9", archived_at=SEEN_AT)
    client = sign_in(VIEWER)

    pages = [client.get(OPTIONS, {"by": "key", "term": "忠诚", "page": page}) for page in (1, 2, 3)]

    assert [texts(page) for page in pages] == [
        ["忠诚 0 (0)", "忠诚 1 (1,000)"], ["忠诚 2 (2,000)", "忠诚 3 (3,000)"], ["忠诚 4 (4,000)"]
    ]  # fmt: skip
    assert [page.json()["pagination"]["more"] for page in pages] == [True, True, False]
    assert [each["id"] for each in pages[0].json()["results"]] == ["loyal-0", "loyal-1"]
    assert texts(client.get(OPTIONS, {"term": "AL-3"})) == ["忠诚 3 (3,000)"]
    assert texts(client.get(OPTIONS, {"term": "loyal", "but": "loyal-0"})) == ["忠诚 1 (1,000)", "忠诚 2 (2,000)"]
    assert texts(client.get(OPTIONS, {"page": "x", "term": "loyal-4"})) == ["忠诚 4 (4,000)"]


def test_they_are_named_by_id_and_narrowed_to_a_kind():
    SegmentFactory(name="By rule")
    guests = StaticSegmentFactory(name="Guests")

    answer = sign_in(VIEWER).get(OPTIONS, {"by": "pk", "kind": "static"})

    assert answer.json()["results"] == [{"id": str(guests.pk), "text": "Guests (0)"}]


def test_a_portrait_is_compared_with_any_segment_and_only_that_stands_in_the_page():
    one, _other, _third = (SegmentFactory(key=key, name=key.title()) for key in ("one", "other", "third"))

    page = sign_in(VIEWER).get(f"/admin/segments/segment/{one.pk}/portrait/?compare=other").content.decode()

    assert '<option value="other" selected>Other (0)</option>' in page
    assert "Third" not in page


def test_the_filter_of_people_offers_what_is_chosen_and_asks_for_the_rest():
    chosen, _other = SegmentFactory(name="Chosen"), SegmentFactory(name="Not this one")

    page = sign_in(VIEWER).get("/admin/profiles/profile/", {"segment": chosen.pk}).content.decode()

    assert "Chosen" in page
    assert "Not this one" not in page
    assert f'data-ajax--url="{OPTIONS}?by=pk"' in page
