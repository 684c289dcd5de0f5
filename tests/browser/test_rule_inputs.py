"""What is typed, pasted and left in the builder of rules, where the network is slow and values are odd."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Page, Route, expect

from cdp.roles import OPERATOR
from profiles.models import AttributeDefinition
from segments.models import Segment
from tests.browser.test_admin import sign_in
from tests.browser.test_rule_builder import at, focus, option, shown
from tests.factories.cdp import UserFactory
from tests.factories.profiles import AttributeDefinitionFactory, ProfileFactory
from tests.factories.segments import SegmentFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, serialized_rollback=True)]
CITY = {"op": "attribute", "key": "city", "is": "eq", "value": "Oslo"}


@pytest.fixture
def page(page: Page) -> Page:
    """Signed in as an operator; most people live in Oslofjord, one in Oslo."""
    UserFactory(role=OPERATOR, username="ann", password="a long password")
    AttributeDefinition.objects.filter(key="city").delete()
    AttributeDefinitionFactory(key="city", label="Town", type="text")
    AttributeDefinitionFactory(key="sizes", label="Sizes", type="list")
    for city in ("Oslofjord", "Oslofjord", "Oslo"):
        ProfileFactory(attributes={"city": city, "sizes": [40, 42]})
    sign_in(page, "ann", "a long password")
    return page


def edit(page: Page, rule: object) -> Segment:
    """The page of a segment with that rule."""
    segment = SegmentFactory(rule=rule)
    page.goto(f"/admin/segments/segment/{segment.pk}/change/")
    expect(page.locator("strata-rule.sr-ready")).to_be_visible()
    return segment


def type_city(page: Page, text: str) -> None:
    place = at(page, "all[0].value").get_by_role("combobox")
    place.click()
    place.press("Control+a")
    place.press_sequentially(text)


def test_enter_takes_what_is_offered_for_the_text_however_slow_the_answer(page):
    edit(page, {"all": [CITY]})
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    type_city(page, "O")
    expect(option(page, "Oslofjord")).to_have_attribute("aria-selected", "true")

    page.route("**/rule-values/**", hold)
    page.keyboard.type("ttawa")
    page.keyboard.press("Enter")
    assert shown(page) == {"all": [CITY]}
    while not any("Ottawa" in route.request.url for route in held):
        page.wait_for_timeout(20)
    for route in held:
        route.continue_()

    expect(page.locator(".st-rule-verdict")).to_contain_text("Ottawa")
    assert shown(page) == {"all": [{**CITY, "value": "Ottawa"}]}


def test_exactly_what_was_typed_is_offered_before_what_is_more_frequent(page):
    edit(page, {"all": [{**CITY, "value": "Bergen"}]})

    type_city(page, "Oslo")
    expect(page.locator("[role=option][aria-selected=true]")).to_have_text("Oslo")
    page.keyboard.press("Enter")

    assert shown(page) == {"all": [CITY]}


def test_a_column_that_is_pasted_is_so_many_values(page):
    edit(page, {"all": [{**CITY, "is": "in", "value": ["Oslo"]}]})
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate("navigator.clipboard.writeText('Smith, John\\r\\nOslo\\n\\nTromsø\\t东京\\n')")

    focus(page, "all[0].value|next").focus()
    page.keyboard.press("Control+v")

    expect(page.locator(".sr-chip")).to_have_count(4)
    assert shown(page) == {"all": [{**CITY, "is": "in", "value": ["Oslo", "Smith, John", "Tromsø", "东京"]}]}


def test_a_number_in_a_list_that_is_typed_is_the_number_that_people_have(page):
    edit(page, {"all": [{"op": "attribute", "key": "sizes", "is": "has_any", "value": ["XL"]}]})

    focus(page, "all[0].value|next").click()
    expect(option(page, "42")).to_be_visible()
    page.keyboard.type("42")
    page.keyboard.press("Tab")

    expect(page.locator(".sr-chip")).to_have_count(2)
    assert shown(page) == {"all": [{"op": "attribute", "key": "sizes", "is": "has_any", "value": ["XL", 42]}]}


def test_a_rule_that_nobody_touched_is_saved_as_it_came(page):
    AttributeDefinitionFactory(key="card", type="number")
    rule = {"all": [{"op": "attribute", "key": "card", "is": "in", "value": [12345678901234567890, 1.0]}]}
    segment = edit(page, rule)

    page.fill("#id_name", "Another name")
    page.locator("[name=_save]").click()
    page.wait_for_url("**/segments/segment/")

    segment.refresh_from_db()
    assert (segment.name, segment.rule_version) == ("Another name", 1)
    assert json.dumps(segment.rule["all"][0]["value"]) == "[12345678901234567890, 1.0]"


def test_what_is_pasted_goes_into_the_group_whose_button_has_the_focus(page):
    edit(page, {"all": [CITY, {"any": [CITY]}]})
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    node = {**CITY, "value": "Bergen"}
    page.evaluate("text => navigator.clipboard.writeText(text)", json.dumps(node))

    for key in ("all|add", "all[1].any|add"):
        focus(page, key).focus()
        page.keyboard.press("Control+v")

    expect(page.locator(".sr-condition")).to_have_count(4)
    assert shown(page) == {"all": [CITY, {"any": [CITY, node]}, node]}


def test_who_leaves_an_unsaved_rule_is_asked(page):
    edit(page, {"all": [CITY]})
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))

    page.reload()
    assert asked == []
    type_city(page, "Bergen")
    page.keyboard.press("Enter")
    expect(page.locator("strata-rule textarea")).to_have_value(re.compile("Bergen"))
    page.reload()
    assert asked == ["beforeunload"]

    type_city(page, "Bergen")
    page.keyboard.press("Enter")
    page.locator("[name=_continue]").click()
    expect(page.locator(".st-rule-verdict")).to_contain_text("Bergen")
    assert asked == ["beforeunload"]


def test_an_empty_window_is_said_to_be_missing(page):
    edit(page, {"all": [{"op": "event", "name": "Order Completed", "within": {"last_days": 30}}]})

    at(page, "all[0].within.last_days").locator("input").fill("")
    page.locator("[name=_save]").click()

    expect(page.locator(".sr-error")).to_have_text("is required")


def test_whole_numbers_keep_their_digits_whatever_else_is_edited(page):
    AttributeDefinitionFactory(key="card", label="Card", type="number")
    ProfileFactory(attributes={"city": "Oslo", "card": 9_007_199_254_740_993})
    card = {"op": "attribute", "key": "card", "is": "eq", "value": 9_007_199_254_740_993}
    segment = edit(page, {"all": [CITY, card]})
    number = at(page, "all[1].value").locator("input")
    expect(number).to_have_value("9007199254740993")

    type_city(page, "Oslofjord")
    page.keyboard.press("Enter")
    expect(page.locator("[data-count]")).to_have_text("Matches 0 people now.")
    page.keyboard.press("Control+z")
    expect(page.locator("[data-count]")).to_have_text("Matches 1 person now.")
    assert shown(page)["all"][1]["value"] == 9_007_199_254_740_993

    number.fill("12345678901234567891")
    assert shown(page)["all"][1]["value"] == 12_345_678_901_234_567_891
    at(page, "all[1].is").locator("select").select_option(label="is one of")
    values = at(page, "all[1].value").get_by_role("combobox")
    values.fill("9007199254740993")
    values.press("Enter")
    expect(at(page, "all[1].value[1]")).to_contain_text("9007199254740993")
    expect(page.locator("[data-count]")).to_have_text("Matches 1 person now.")
    page.locator("[name=_save]").click()
    page.wait_for_url("**/segments/segment/")
    segment.refresh_from_db()
    # What was typed since it was drawn is not forgotten where the comparison changes.
    assert segment.rule["all"][1]["value"] == [12_345_678_901_234_567_891, 9_007_199_254_740_993]


def test_what_would_make_a_circle_is_shown_with_its_reason_and_not_taken(page):
    segment = edit(page, {"all": [CITY]})
    SegmentFactory(key="after", name="After", rule={"op": "segment", "key": segment.key})
    SegmentFactory(key="apart", name="Apart")
    page.reload()
    focus(page, "all|add").click()

    refused = page.get_by_role("option").filter(has_text="depends on what you are editing")
    expect(refused).to_contain_text("After")
    refused.click(force=True)
    assert shown(page) == {"all": [CITY]}
    page.keyboard.type("after")
    expect(page.locator(".sr-option")).to_have_text([re.compile("After")])
    page.keyboard.press("Enter")
    assert shown(page) == {"all": [CITY]}

    page.keyboard.press("Control+a")
    page.keyboard.type("apart")
    option(page, "Apart").click()
    assert shown(page) == {"all": [CITY, {"op": "segment", "key": "apart"}]}

    # By another way it is marked at its place.
    page.get_by_role("button", name="JSON").click()
    page.locator("strata-rule textarea").fill(json.dumps({"all": [CITY, {"op": "segment", "key": "after"}]}))
    page.get_by_role("button", name="JSON").click()
    expect(page.locator("[data-node='all[1]'] .sr-error")).to_contain_text("must not depend on each other in a circle")


def test_what_is_no_json_can_be_undone_and_hides_what_was_counted(page):
    edit(page, {"all": [CITY]})
    page.get_by_role("button", name="Count").click()
    expect(page.locator("[data-count]")).to_have_text("Matches 1 person now.")

    page.get_by_role("button", name="JSON").click()
    page.locator("strata-rule textarea").fill('{"all": [}')
    expect(page.locator(".st-rule-verdict")).to_have_text("This is not JSON yet: the builder waits until it is.")
    page.locator("[data-bar=undo]").click()

    expect(page.locator("[data-count]")).to_have_text("Matches 1 person now.")
    assert shown(page) == {"all": [CITY]}


def test_who_is_signed_out_meanwhile_is_told_and_loses_nothing(page):
    edit(page, {"all": [CITY]})
    page.context.clear_cookies(name="sessionid")

    type_city(page, "Oslofjord")
    page.keyboard.press("Enter")

    expect(page.locator(".st-rule-verdict")).to_contain_text("You are signed out. What you wrote is still here")
    expect(page.locator(".st-rule-verdict a")).to_have_attribute("href", "/admin/login/")
    expect(page.locator("strata-rule textarea")).to_have_value(re.compile("Oslofjord"))
    page.on("dialog", lambda dialog: dialog.accept())
