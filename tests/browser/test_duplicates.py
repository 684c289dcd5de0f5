"""Reviewing duplicates by the keyboard."""

import pytest
from playwright.sync_api import expect

from cdp.roles import OPERATOR
from profiles.models import DuplicateSuggestion
from tests.browser.test_admin import sign_in
from tests.factories.cdp import UserFactory
from tests.factories.profiles import DuplicateSuggestionFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, serialized_rollback=True)]
LIST = "/admin/profiles/duplicatesuggestion/"


def test_skip_reject_and_accept_by_one_key_each(page):
    skipped, rejected, accepted = (DuplicateSuggestionFactory(probability=p) for p in (0.99, 0.97, 0.95))
    UserFactory(role=OPERATOR, username="ann", password="a long password")
    sign_in(page, "ann", "a long password")
    page.goto(LIST)
    page.get_by_role("link", name="Review one after another").click()

    for suggestion, key in ((skipped, "s"), (rejected, "r"), (accepted, "a")):
        page.wait_for_url(f"**{LIST}{suggestion.pk}/change/")
        page.keyboard.press(key)

    page.wait_for_url(f"**{LIST}")
    expect(page.get_by_text("That was the last one of the list.")).to_be_visible()
    states = dict(DuplicateSuggestion.objects.values_list("pk", "state"))
    assert states == {skipped.pk: "open", rejected.pk: "rejected", accepted.pk: "accepted"}
