"""The builder of rules in a real browser: by mouse, by keyboard, in both languages, without knowing the JSON."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.utils import timezone, translation
from django.utils.translation import gettext
from playwright.sync_api import Locator, Page, expect

from cdp.roles import OPERATOR
from cdp.rules.base import operators
from profiles.models import AttributeDefinition
from segments.models import Segment, TierScheme
from tests.browser.test_admin import sign_in, switch_language
from tests.factories.cdp import UserFactory
from tests.factories.profiles import AttributeDefinitionFactory, EventFactory, ProfileFactory
from tests.factories.segments import SegmentFactory, TierSchemeFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, serialized_rollback=True)]
ADD = "/admin/segments/segment/add/"
COUNTED = {"en": "Matches 1 person now.", "zh-hans": "当前符合 1 人。"}
CITY = {"op": "attribute", "key": "city", "is": "in", "value": ["Oslo", "Bergen"]}
BOUGHT = {"op": "event", "name": "Order Completed", "within": {"last_days": 90}, "is": "gte", "value": 2}
CHEAP = {"op": "event", "name": "Order Completed", "where": [{"key": "total", "is": "lt", "value": 5}]}
# Three levels: all > any > not all.
RULE = {"all": [CITY, {"any": [BOUGHT, {"not": {"all": [CHEAP]}}]}]}


@pytest.fixture
def page(page: Page) -> Page:
    """Signed in as an operator; four people, of whom Ann alone meets RULE."""
    UserFactory(role=OPERATOR, username="ann", password="a long password")
    AttributeDefinition.objects.filter(key="city").delete()
    AttributeDefinitionFactory(key="city", label="Town", type="text")
    yesterday = timezone.now() - timedelta(days=1)
    for name, city, totals in (
        ("Ann", "Oslo", (3, 4)),
        ("Bo", "Oslo", (3,)),
        ("Cy", "Bergen", (4,)),
        ("Di", "Tromsø", ()),
    ):
        person = ProfileFactory(attributes={"name": name, "city": city})
        for total in totals:
            EventFactory(
                profile=person, definition__name="Order Completed", occurred_at=yesterday, properties={"total": total}
            )
    sign_in(page, "ann", "a long password")
    return page


def shown(page: Page) -> object:
    """The rule that the form would send."""
    text = page.locator("strata-rule textarea").first.input_value()
    return json.loads(text) if text else None


def at(page: Page, path: str) -> Locator:
    """What stands at a path of the rule."""
    return page.locator(f"[data-path='{path}']").first


def focus(page: Page, key: str) -> Locator:
    return page.locator(f"[data-focus='{key}']").first


def option(page: Page, label: str) -> Locator:
    return page.get_by_role("option").filter(has=page.get_by_text(label, exact=True)).first


def open_empty(page: Page) -> Locator:
    page.goto(ADD)
    return page.get_by_role("button", name=gettext("Add the first condition"))


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_a_rule_of_three_levels_by_mouse(page, language):
    switch_language(page, language)
    with translation.override(language):
        open_empty(page).click()
        option(page, "Town").click()
        at(page, "all[0].is").locator("select").select_option("text:in")
        for city in ("Oslo", "Bergen"):
            at(page, "all[0].value").get_by_role("combobox").click()
            option(page, city).click()

        focus(page, "all|add-group").click()
        option(page, "Order Completed").click()
        at(page, "all[1].any[0].within").locator("select").select_option(label=gettext("in the last … days"))
        at(page, "all[1].any[0].within.last_days").locator("input").fill("90")
        at(page, "all[1].any[0].value").locator("input").fill("2")

        focus(page, "all[1].any|add-group").click()
        option(page, "Order Completed").click()
        focus(page, "all[1].any[1]|kind").select_option(label=gettext("Not all of these hold"))
        at(page, "all[1].any[1].not.all[0].where").get_by_role("button").click()
        at(page, "all[1].any[1].not.all[0].where[0].key").get_by_role("combobox").click()
        option(page, "total").click()
        at(page, "all[1].any[1].not.all[0].where[0].is").locator("select").select_option("number:lt")
        at(page, "all[1].any[1].not.all[0].where[0].value").locator("input").fill("5")

        expect(page.locator("[data-count]")).to_have_text(COUNTED[language])
        expect(page.locator(".sr-people a")).to_have_text(["Ann"])
        expect(page.locator(".st-rule-verdict")).to_contain_text("Oslo")
        expect(page.locator("[data-n='all[1]'] span").last).to_have_text("2")  # Ann and Di
        expect(page.locator("[data-n='all[1].any[1]'] span").last).to_have_text("1")  # Di
        assert shown(page) == RULE

        page.fill("#id_name", "Three levels")
        page.locator("[name=_save]").click()
        page.wait_for_url("**/segments/segment/")
    assert Segment.objects.get().rule == RULE


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_the_same_rule_by_keyboard(page, language):
    switch_language(page, language)
    with translation.override(language):
        open_empty(page).focus()
        keyboard = Keyboard(page)

        keyboard.press("Enter")
        keyboard.choose("town", "Town")
        keyboard.go("all[0].is|", "Shift+Tab")
        keyboard.turn_to("text:in")
        keyboard.press("Tab")
        keyboard.choose("Os", "Oslo")
        keyboard.choose("Ber", "Bergen")

        keyboard.press("Alt+Shift+Enter")
        keyboard.choose("order c", "Order Completed")
        expect(focus(page, "all[1].any[0]|handle")).to_be_focused()
        keyboard.go("all[1].any[0].within|which", "Tab")
        keyboard.turn_to("1")
        keyboard.go("all[1].any[0].within.last_days|", "Tab")
        keyboard.press("Control+a", "9", "0")
        keyboard.go("all[1].any[0].value|", "Tab")
        keyboard.press("Control+a", "2")

        keyboard.press("Alt+Shift+Enter")
        keyboard.choose("order c", "Order Completed")
        keyboard.press("ArrowUp")
        keyboard.go("all[1].any[1]|kind", "Tab")
        keyboard.turn_to("not all")
        keyboard.go("all[1].any[1].not.all[0].where|add", "Tab")
        keyboard.press("Enter")
        keyboard.choose("tot", "total")
        keyboard.go("all[1].any[1].not.all[0].where[0].is|", "Tab")
        keyboard.turn_to("number:lt")
        keyboard.go("all[1].any[1].not.all[0].where[0].value|", "Tab")
        keyboard.press("5")

        expect(page.locator("[data-count]")).to_have_text(COUNTED[language])
        assert shown(page) == RULE

        # Delete, move out of the group and back in, undo all of it.
        keyboard.go("all[1].any[1].not.all[0]|handle", "Shift+Tab")
        keyboard.press("Delete")
        assert shown(page) == {"all": [CITY, {"any": [BOUGHT, {"not": {"all": []}}]}]}
        keyboard.press("Control+z")
        focus(page, "all[1].any[0]|handle").focus()
        keyboard.press("Alt+ArrowUp")
        assert shown(page) == {"all": [CITY, BOUGHT, {"any": [{"not": {"all": [CHEAP]}}]}]}
        expect(focus(page, "all[1]|handle")).to_be_focused()
        keyboard.press("Alt+ArrowDown")
        assert shown(page) == RULE
        keyboard.press("Control+z", "Control+z", "Control+Shift+z")
        assert shown(page) == {"all": [CITY, BOUGHT, {"any": [{"not": {"all": [CHEAP]}}]}]}


def test_what_is_wrong_stands_at_its_place_and_the_json_is_another_view(page):
    SegmentFactory(key="loyal", rule=RULE)
    page.goto(f"/admin/segments/segment/{Segment.objects.get().pk}/change/")
    expect(page.locator(".sr-root")).to_be_visible()

    page.get_by_role("button", name="JSON").click()
    broken = json.loads(json.dumps(RULE))
    broken["all"][1]["any"][1]["not"]["all"][0]["where"][0]["key"] = "a..b"
    broken["all"].append({"op": "tag", "key": "none_such"})
    page.locator("strata-rule textarea").fill(json.dumps(broken))
    page.get_by_role("button", name="JSON").click()

    place = at(page, "all[1].any[1].not.all[0].where[0].key")
    expect(place.locator("input")).to_have_attribute("aria-invalid", "true")
    described_by = place.locator("input").get_attribute("aria-describedby")
    expect(page.locator(f"#{described_by}")).to_have_text("must be names with a dot between them")
    expect(page.locator("[data-node='all[2]'] .sr-error")).to_contain_text("there is no tag 'none_such'")

    # Repaired here, the message goes, and the JSON follows.
    page.locator("[data-node='all[2]']").hover()
    focus(page, "all[2]|delete").click()
    place.get_by_role("combobox").fill("total")
    place.get_by_role("combobox").press("Enter")
    expect(page.locator("[data-count]")).to_have_text("Matches 1 person now.")
    expect(page.locator(".sr-error")).to_have_count(0)
    assert shown(page) == RULE

    # What is no JSON waits in the text area, and the builder with it.
    page.get_by_role("button", name="JSON").click()
    page.locator("strata-rule textarea").fill('{"all": [')
    page.get_by_role("button", name="JSON").click()
    expect(page.locator("strata-rule textarea")).to_be_visible()
    expect(page.locator(".st-rule-verdict")).to_contain_text("This is not JSON yet")


@pytest.mark.parametrize("late", ["change_form.js", "rule-preview/"])
def test_an_empty_value_is_marked_quietly_and_a_refused_form_comes_back_with_it(page, late):
    open_empty(page).click()
    option(page, "Town").click()

    expect(at(page, "all[0].value")).to_have_class("sr-value sr-of-text sr-missing")
    expect(page.locator(".st-rule-verdict")).to_contain_text("Fill in what is empty")
    expect(page.locator(".sr-error")).to_have_count(0)
    page.fill("#id_name", "Empty")
    page.fill("#id_key", "empty")
    page.route(f"**/{late}", lambda route: None)  # held until there is no such route
    page.locator("[name=_save]").click()
    page.wait_for_selector("strata-rule textarea[aria-invalid=true]", state="attached")  # the form is back

    # The script that focuses the first field of a new form runs before the answer, or after it.
    if late == "rule-preview/":
        page.wait_for_load_state("load")
    else:
        expect(page.locator(".sr-error")).to_have_text("is required")
    page.unroute(f"**/{late}")
    page.wait_for_load_state("load")
    expect(page.locator(".sr-error")).to_have_text("is required")
    expect(at(page, "all[0].value").locator("input")).to_be_focused()
    expect(page.get_by_text("all[0].value: is required")).to_be_hidden()
    assert not Segment.objects.exists()


def test_conditions_are_dragged_and_copied_between_forms(page):
    SegmentFactory(key="loyal", rule={"all": [CITY, BOUGHT, {"any": [CHEAP]}]})
    page.goto(f"/admin/segments/segment/{Segment.objects.get().pk}/change/")
    expect(page.locator(".sr-condition")).to_have_count(3)

    drag(page, "all[0]|handle", "all[2].any[0]|handle")

    expect(page.locator("[data-node='all[1].any[0]'], [data-node='all[1].any[1]']")).to_have_count(2)
    rule = shown(page)
    assert rule["all"][0] == BOUGHT
    assert sorted(rule["all"][1]["any"], key=json.dumps) == sorted([CITY, CHEAP], key=json.dumps)
    page.get_by_role("button", name="Undo").click()
    assert shown(page) == {"all": [CITY, BOUGHT, {"any": [CHEAP]}]}

    focus(page, "all[2]|content_copy").dispatch_event("click")
    scheme = TierSchemeFactory(tiers={"gold": CITY})
    page.goto(f"/admin/segments/tierscheme/{scheme.pk}/change/")
    builders = page.locator("strata-rule.sr-ready")
    expect(builders).to_have_count(1)
    page.locator(".add-row a, a.add-row").first.click()
    expect(builders).to_have_count(2)
    builders.nth(1).get_by_role("button", name="Paste").click()
    for name, value in (("name", "Silver"), ("key", "silver"), ("position", "1")):
        page.locator(f"[name=tiers-1-{name}]").fill(value)
    page.locator("[name=_save]").click()

    page.wait_for_url("**/segments/tierscheme/")
    assert TierScheme.objects.get().tiers.get(key="silver").entry == {"any": [CHEAP]}


def test_every_operator_is_drawn_and_looking_changes_nothing(page):
    rule = {"all": [ONE_OF_EACH[op] for op in sorted(ONE_OF_EACH)]}
    SegmentFactory(rule=rule)
    page.goto(f"/admin/segments/segment/{Segment.objects.get().pk}/change/")

    expect(page.locator(".sr-condition")).to_have_count(len(operators))

    assert sorted(ONE_OF_EACH) == sorted(operators)
    expect(page.get_by_text("The builder does not know this part.")).to_have_count(0)
    expect(page.locator(".sr-of-value, select.sr-input:has(option[value='']:checked)")).to_have_count(0)
    page.get_by_role("button", name="JSON").click()
    assert shown(page) == rule


def test_line_by_line_a_condition_goes_through_every_group(page):
    page.goto(ADD)
    walk = """async ([rule, path]) => {
        const {moveByLine, pathText} = await import("/static/strata/rules/tree.js");
        const places = [];
        for (let moved = {rule, path}; moved; moved = moveByLine(moved.rule, moved.path, 1)) {
            places.push(pathText(moved.path));
            ({rule, path} = moved);
        }
        const down = rule;
        for (let moved = {rule, path}; moved; moved = moveByLine(moved.rule, moved.path, -1)) ({rule} = moved);
        return [places, down, rule];
    }"""
    a, b, c = ({"op": op} for op in "abc")
    rule = {"all": [a, {"not": {"any": [b]}}, c]}

    places, down, back = page.evaluate(walk, [rule, ["all", 0]])

    assert places == ["all[0]", "all[0].not.any[0]", "all[0].not.any[1]", "all[1]", "all[2]"]
    assert (down, back) == ({"all": [{"not": {"any": [b]}}, c, a]}, rule)


ORDERED = {"name": "Order Completed"}
ONE_OF_EACH = {
    "attribute": {"op": "attribute", "key": "city", "is": "not_in", "value": ["Oslo"]},
    "event": {
        "op": "event",
        "name": ["Order Completed", "Order Refunded"],
        "where": [{"key": "products.category", "is": "eq", "value": "tea"}, {"key": "$hour", "is": "gte", "value": 18}],
        "within": {"days_ago": [60, 30]},
        "measure": {"sum": "$value"},
        "is": "between",
        "value": [1, 100],
    },
    "event_recency": {"op": "event_recency", **ORDERED, "which": "first", "is": "before", "days": 30},
    "sequence": {
        "op": "sequence",
        "steps": [ORDERED, {**ORDERED, "where": [{"key": "total", "is": "gt", "value": 1}]}],
        "gap": {"hours": 24},
        "within": {"calendar": "this_year"},
        "then_not": ORDERED,
    },
    "tag": {"op": "tag", "key": "vip"},
    "segment": {"op": "segment", "key": "other", "for_days": 7},
    "tier": {"op": "tier", "scheme": "club", "in": ["gold"]},
    "score": {"op": "score", "model": "rfm", "field": "class", "is": "in", "value": ["111"]},
    "identifier": {"op": "identifier", "kind": "email"},
    "consent": {"op": "consent", "channel": "email", "is": "granted"},
    "bucket": {"op": "bucket", "salt": "a", "from": 0, "to": 12.5},
}


class Keyboard:
    """Somebody without a mouse."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def choose(self, text: str, label: str) -> None:
        """Of what is offered for a text: for the whole of it, not for its first letters."""
        self.page.keyboard.type(text)
        expect(self.page.get_by_role("listbox")).to_have_attribute("aria-busy", "false")
        expect(option(self.page, label)).to_have_attribute("aria-selected", "true")
        self.press("Enter")

    def go(self, key: str, by: str) -> None:
        """To an element, by pressing a key again and again."""
        for _press in range(30):
            if focus(self.page, key).evaluate("element => element === document.activeElement"):
                return
            self.press(by)
        raise AssertionError(f"{by} does not lead to {key}")

    def turn_to(self, value: str) -> None:
        """A choice of the drop-down that has the focus."""
        choices = "[...document.activeElement.options]"
        place = self.page.evaluate(f"value => {choices}.findIndex((each) => each.value === value)", value)
        here = self.page.evaluate("document.activeElement.selectedIndex")
        self.press(*["ArrowDown" if place > here else "ArrowUp"] * abs(place - here))


def drag(page: Page, source: str, target: str) -> None:
    """By mouse, in steps, as SortableJS wants it."""
    focus(page, target).evaluate("element => element.scrollIntoView({block: 'center'})")
    start, end = focus(page, source).bounding_box(), focus(page, target).bounding_box()
    assert start is not None
    assert end is not None
    page.mouse.move(start["x"] + 8, start["y"] + 8)
    page.mouse.down()
    page.mouse.move(start["x"] + 8, start["y"] + 24, steps=4)
    page.mouse.move(end["x"] + 8, end["y"] + 12, steps=16)
    page.mouse.move(end["x"] + 8, end["y"] + 14, steps=2)
    page.mouse.up()
