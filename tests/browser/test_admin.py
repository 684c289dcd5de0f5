"""The admin in a real browser, in both languages: it signs in, shows a person and a segment, and logs no error."""

import pytest
from playwright.sync_api import Page, expect

from cdp.models import Run
from cdp.roles import OPERATOR
from segments.models import Segment
from tests.admin_world import make_world
from tests.factories.cdp import UserFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, serialized_rollback=True)]

WORDS = {
    "en": {"person": "Known", "members": "1 member", "count": "Count", "matches": "Matches 2 people now."},
    "zh-hans": {"person": "已识别", "members": "1 名成员", "count": "计算人数", "matches": "当前符合 2 人。"},
}


def sign_in(page: Page, name: str, password: str) -> None:
    page.goto("/admin/login/")
    page.fill("#id_username", name)
    page.fill("#id_password", password)
    page.click("#login-form button[type=submit]")
    expect(page.locator("[data-card=people]")).to_be_visible()


def switch_language(page: Page, language: str) -> None:
    """By the switcher in the menu of the person who is signed in."""
    if page.locator("html").get_attribute("lang") == language:
        return
    page.locator("#nav-sidebar .cursor-pointer", has_text="ann").last.click()
    page.locator(f"form:has(input[name=language][value={language}]) button").click()
    expect(page.locator("html")).to_have_attribute("lang", language)


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_an_operator_opens_a_person_and_a_segment(page, language):
    world, words = make_world(), WORDS[language]
    UserFactory(role=OPERATOR, username="ann", password="a long password")

    sign_in(page, "ann", "a long password")
    switch_language(page, language)
    expect(page.locator("html")).to_have_attribute("lang", language)

    page.goto("/admin/profiles/profile/")
    page.locator(f"#result_list a[href*='/profile/{world.profile.pk}/']").first.click()
    expect(page.get_by_text(words["person"], exact=True)).to_be_visible()
    expect(page.locator("#timeline li")).to_have_count(2)

    page.goto(f"/admin/segments/segment/{world.segment.pk}/change/")
    page.get_by_role("button", name=words["count"], exact=True).click()
    expect(page.get_by_text(words["matches"])).to_be_visible()

    page.goto(f"/admin/segments/segment/{world.segment.pk}/members/")
    expect(page.get_by_text(words["members"])).to_be_visible()


def test_when_a_run_ends_the_page_shows_what_it_changed_and_keeps_what_is_typed(page):
    world = make_world()
    UserFactory(role=OPERATOR, username="ann", password="a long password")
    sign_in(page, "ann", "a long password")
    page.goto(f"/admin/segments/segment/{world.segment.pk}/change/")
    page.fill("#id_name", "Typed")

    Segment.objects.filter(pk=world.segment.pk).update(n_members=4321)
    Run.objects.filter(pk=world.run.pk).update(state=Run.State.SUCCEEDED)

    expect(page.locator(".readonly", has_text="4,321")).to_be_visible()
    expect(page.locator("#id_name")).to_have_value("Typed")


def test_a_button_that_is_clicked_twice_sends_its_form_once(page):
    world = make_world()
    UserFactory(role=OPERATOR, username="ann", password="a long password")
    sign_in(page, "ann", "a long password")
    page.goto(f"/admin/segments/segment/{world.segment.pk}/members/")
    page.locator("button[value=save_people_as_segment]").first.click()
    page.check("input[name=what][value=hand]")
    page.fill("input[name=name]", "Twice")
    button = page.locator("main button[type=submit]:visible, #content button[type=submit]:visible", has_text="Save")
    box = button.first.bounding_box()
    submits = (
        "addEventListener('submit', event => sessionStorage.n = +(sessionStorage.n || 0) + !event.defaultPrevented)"
    )
    page.evaluate(submits)

    page.mouse.move(box["x"] + 5, box["y"] + 5)
    for clicks in (1, 2):
        page.mouse.down(click_count=clicks)
        page.mouse.up(click_count=clicks)

    expect(page.get_by_text("“Twice”")).to_be_visible()
    assert page.evaluate("sessionStorage.n") == "1"
    assert Segment.objects.filter(name="Twice").count() == 1


def test_the_page_of_something_new_shows_which_key_its_name_gives(page):
    UserFactory(role=OPERATOR, username="ann", password="a long password")
    sign_in(page, "ann", "a long password")
    page.goto("/admin/tags/tag/add/")

    page.fill("#id_name", "金卡")
    expect(page.locator("#id_key")).to_have_attribute("placeholder", "jin-ka")
    page.get_by_role("link", name="Add another").click()
    page.fill("#id_values-0-name", "重庆")
    expect(page.locator("#id_values-0-key")).to_have_attribute("placeholder", "chong-qing")
