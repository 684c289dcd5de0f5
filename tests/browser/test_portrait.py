"""A portrait in a real browser: it is opened, compared, a bar is clicked, and its people are saved as a segment."""

import re

import pytest
from playwright.sync_api import expect

from cdp.roles import OPERATOR
from segments.models import BulkJoining, Segment
from tests.browser.test_admin import sign_in, switch_language
from tests.factories.cdp import UserFactory
from tests.factories.profiles import ProfileFactory
from tests.factories.segments import MembershipFactory, SegmentFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, serialized_rollback=True)]

WORDS = {
    "en": {"show": "Show", "city": "City is “Oslo”", "save": "Save as a segment…", "saved": "1 person is being put"},
    "zh-hans": {"show": "显示", "city": "城市", "save": "保存为分群…", "saved": "正在将 1 人放入"},
}


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_a_portrait_is_compared_and_a_bar_becomes_a_segment(page, language):
    words = WORDS[language]
    loyal, new = SegmentFactory(key="loyal", name="Loyal"), SegmentFactory(key="new", name="New")
    ann, nowhere, bob = (ProfileFactory(attributes=each) for each in ({"city": "Oslo"}, {}, {"city": "Bergen"}))
    for segment, profile in [(loyal, ann), (loyal, nowhere), (new, bob)]:
        MembershipFactory(segment=segment, profile=profile)
    UserFactory(role=OPERATOR, username="ann", password="a long password")
    sign_in(page, "ann", "a long password")
    switch_language(page, language)

    page.goto(f"/admin/segments/segment/{loyal.pk}/portrait/")
    expect(page.locator("#cards table").first).to_be_visible()
    page.locator("#cards > section").last.hover()  # scrolls there
    expect(page.locator("#cards .st-to-come")).to_have_count(0)
    page.locator("[name=compare] + .select2").click()
    page.locator(".select2-search__field").fill("ne")
    page.locator(".select2-results__option", has_text="New").click()
    page.get_by_role("button", name=words["show"], exact=True).click()
    bergen = page.locator("tr", has=page.get_by_role("rowheader", name="Bergen"))
    numbers = [re.compile(text) for text in (r"^0\s+0", "^0$", r"^1\s+100", "^300$", r"^1\s+33.3%")]
    expect(bergen.locator("td.st-num")).to_have_text(numbers)

    page.locator("tr", has=page.get_by_role("rowheader", name="Oslo")).locator("td.st-share a").first.click()
    expect(page.get_by_text(words["city"]).first).to_be_visible()
    page.get_by_role("button", name=words["save"]).click()
    page.locator("[name=what][value=hand]").check()
    page.fill("[name=name]", "Oslo today")
    page.locator("button.st-primary").click()

    expect(page.get_by_text(words["saved"])).to_be_visible()
    segment = Segment.objects.get(name="Oslo today")
    assert BulkJoining.objects.get(segment=segment).profile_ids == [ann.pk]
