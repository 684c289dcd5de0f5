"""Merging two people, splitting one off, undoing a merge: in a real browser, in both languages."""

import pytest
from django.utils import timezone, translation
from django.utils.translation import gettext
from playwright.sync_api import Page, expect

from cdp.roles import ADMIN, OPERATOR
from profiles.models import Identifier, SourceDay
from tests.browser.test_admin import sign_in, switch_language
from tests.factories.cdp import UserFactory
from tests.factories.profiles import SourceFactory
from tests.profiles.ingest.messages import identify, profile_of, send

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, serialized_rollback=True)]


def press(page: Page, words: str) -> None:
    """The button or link that says this in the page's language."""
    name = gettext(words)
    page.get_by_role("button", name=name, exact=True).or_(page.get_by_role("link", name=name, exact=True)).first.click()


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_an_operator_merges_splits_and_undoes(page, language):
    shop = SourceFactory(key="shop", name="Shop")
    send(shop, identify(email="ann@example.com", anonymous="a1", at=0, name="Ann"))
    send(shop, identify(user="u1", at=5, name="Ann Lee"))
    first, second = profile_of("email", "ann@example.com"), profile_of("user_id", "u1")
    UserFactory(role=OPERATOR, username="ann", password="a long password")
    sign_in(page, "ann", "a long password")
    switch_language(page, language)

    with translation.override(language):
        # Merge, looked for from the person's page.
        page.goto(f"/admin/profiles/profile/{second.pk}/change/")
        press(page, "Merge with…")
        page.fill("#q", "ann@example.com")
        page.press("#q", "Enter")
        press(page, "Add")
        expect(page.locator(".st-compare")).to_contain_text("Ann Lee")
        press(page, "Merge")
        expect(page).to_have_url(f"{page.url.partition('/admin')[0]}/admin/profiles/profile/{first.pk}/change/")
        expect(page.locator("#identifiers")).to_contain_text("u1")
        expect(page.locator(".st-graph")).to_be_visible()

        # Split the device off.
        device = Identifier.objects.get(value="a1")
        page.locator(f"#identifiers input[value='{device.pk}']").check()
        press(page, "Split off the ticked…")
        expect(page.locator(".st-compare")).to_contain_text("a1")
        press(page, "Split off")
        expect(page.locator("#separations")).to_be_visible()
        expect(page.locator("#identifiers")).not_to_contain_text("a1")

        # Undo the merge: the other lives again under the old id.
        press(page, "Undo…")
        expect(page.locator(".st-compare")).to_contain_text("u1")
        press(page, "Undo the merge")
        expect(page.locator("#identifiers")).not_to_contain_text("u1")
        page.goto(f"/admin/profiles/profile/{second.pk}/change/")
        expect(page.locator("#identifiers")).to_contain_text("u1")

    assert [profile_of("user_id", "u1"), profile_of("email", "ann@example.com")] == [second, first]
    assert profile_of("anonymous_id", "a1") not in (first, second)


@pytest.mark.parametrize("width", [390, 768, 1440])
def test_the_parts_of_a_person_are_read_at_any_width(page, width):
    shop = SourceFactory()
    said = identify(email="ann@example.com", anonymous="a1", name="Ann") | {"timestamp": timezone.now().isoformat()}
    send(shop, said, now=timezone.now())
    person = profile_of("email", "ann@example.com")
    UserFactory(role=ADMIN, username="ann", password="a long password")
    sign_in(page, "ann", "a long password")
    page.set_viewport_size({"width": width, "height": 900})

    page.goto(f"/admin/profiles/profile/{person.pk}/change/")
    expect(page.locator("#identity")).to_be_visible()

    widths = page.locator(".st-cards .st-card").evaluate_all("cards => cards.map(card => card.clientWidth)")
    assert len(widths) > 5
    assert min(widths) > 300
    assert page.evaluate("document.documentElement.scrollWidth") <= width

    page.goto(f"/admin/profiles/source/{shop.pk}/change/")
    expect(page.get_by_role("cell", name=SourceDay.objects.get().day.isoformat())).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
