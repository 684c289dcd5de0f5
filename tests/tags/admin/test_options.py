"""Tags and their values to choose from while one types."""

import pytest

from cdp.admin import searched
from cdp.roles import OPERATOR, VIEWER
from tests.factories.profiles import ProfileFactory
from tests.factories.tags import TagFactory, TagValueFactory
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db
TAGS, CHOICES = "/admin/tags/tag/options/", "/admin/tags/tag/choices/"


@pytest.fixture
def card():
    tag = TagFactory(key="card", name="Card")
    for key in ("gold", "silver"):
        TagValueFactory(tag=tag, key=key, name=key.title())
    return tag


def texts(purpose, term="", page=1, **given):
    answer = sign_in(VIEWER).get(CHOICES, {"for": purpose, "term": term, "page": page, **given})
    return [each["text"] for each in answer.json()["results"]]


def test_tags_are_found_by_a_part_of_name_or_key(card):
    TagFactory(key="card-2", name="Old card", lifecycle="archived")
    TagFactory(key="vip", name="VIP card")

    answer = sign_in(VIEWER).get(TAGS, {"term": "car", "but": "vip"})

    assert answer.json()["results"] == [{"id": "card", "text": "Card"}]


def test_what_is_offered_is_what_it_is_for(card):
    TagFactory(name="Plain")
    TagFactory(name="By rule", kind="rule")
    TagFactory(name="Draft", lifecycle="draft")
    values = ["Card · Gold", "Card · Silver"]

    assert texts("assign") == ["Plain", *values]
    assert texts("both") == ["Plain", *values, "Card · whatever value (to remove)"]
    assert texts("filter") == ["By rule", "Card", "Draft", "Plain", *values]
    assert texts("both", "silv") == ["Card · Silver"]
    assert texts("filter", "CAR") == ["Card", *values]
    assert texts("both", tag=card.pk) == [*values, "Card · whatever value (to remove)"]


def test_pages_go_from_tags_on_to_values(card, monkeypatch):
    monkeypatch.setattr(searched, "PAGE_SIZE", 2)
    for name in ("A", "B"):
        TagFactory(name=name)

    pages = [texts("filter", page=page) for page in (1, 2, 3, 4)]

    assert pages == [["A", "B"], ["Card", "Card · Gold"], ["Card · Silver"], []]


def test_a_person_gets_a_tag_of_many_values_whose_page_names_none(card):
    ann = ProfileFactory()
    client = sign_in(OPERATOR)

    page = client.get(f"/admin/profiles/profile/{ann.pk}/change/").content.decode()
    client.post(f"/admin/tags/tag/assign/{ann.pk}/", {"choice": f"{card.pk}:{card.values.get(key='gold').pk}"})

    assert f'data-ajax--url="{CHOICES}?for=assign"' in page
    assert "Card · Gold" not in page
    assert [each.value.key for each in ann.tag_assignments.all()] == ["gold"]


def test_what_is_not_offered_is_refused(card):
    other = TagValueFactory()
    client = sign_in(OPERATOR)

    for choice in ("", "x", f"{card.pk}:{other.pk}", f"{other.tag_id}:", "9" * 30):
        form = client.post(f"/admin/tags/tag/{card.pk}/people/", {"what": "assign", "choice": choice}).context["form"]
        assert "choice" in form.errors
