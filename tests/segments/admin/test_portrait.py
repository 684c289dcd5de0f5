"""The portrait's page, and the lists of people that its numbers open."""

import html

import pytest
from django.urls import reverse

from profiles.models import AttributeDefinition
from profiles.people_urls import MAX_ADDRESS, people_url
from profiles.services.preview import PreviewTimeout
from segments.admin import portrait
from tests.factories.profiles import ProfileFactory
from tests.factories.segments import MembershipFactory, SegmentFactory, lives_in
from tests.factories.tags import TagFactory
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db
OF_EMAIL = {"op": "attribute", "key": "email", "is": "eq", "value": "ann@example.com"}


@pytest.fixture
def loyal():
    """One of two in Oslo, and one without a city."""
    segment = SegmentFactory(key="loyal", name="Loyal")
    MembershipFactory(segment=segment, profile=ProfileFactory(attributes={"city": "Oslo", "name": "Ann Inside"}))
    MembershipFactory(segment=segment, profile=ProfileFactory(attributes={"name": "Bob Inside"}))
    ProfileFactory(attributes={"city": "Oslo", "name": "Eve Outside"})
    return segment


def page(client, segment, query=""):
    return client.get(f"{reverse('admin:segments_segment_portrait', args=[segment.pk])}{query}")


def cards(client, response):
    """The cards as the page asks for them."""
    return [client.get(url) for _label, url in response.context["cards"]]


def rows(card):
    found = card.context["card"]["rows"]
    return [(each["label"], *((cell["n"], cell["index"]) for cell in each["cells"])) for each in found]


def test_each_number_opens_its_people(loyal):
    client = sign_in("operator", language="en")

    [card] = cards(client, page(client, loyal, "?by=attribute:city"))
    inside, everybody = card.context["card"]["rows"][0]["cells"]
    listed = [client.get(cell["url"]) for cell in (inside, everybody)]

    assert rows(card) == [("Oslo", (1, 75.0), (2, None)), ("Missing", (1, 150.0), (1, None))]
    assert inside["url"] in html.unescape(card.content.decode())
    assert card.context["card"]["total"]["cells"][1]["url"] == reverse("admin:profiles_profile_changelist")
    names = [sorted(each.attributes["name"] for each in one.context["cl"].result_list) for one in listed]
    assert names == [["Ann Inside"], ["Ann Inside", "Eve Outside"]]
    assert "City is “Oslo”" in html.unescape(listed[1].content.decode())


def test_people_of_a_number_are_saved_as_a_segment(loyal):
    client = sign_in("operator", language="en")

    listed = client.get(people_url(lives_in("Oslo")))
    chosen = {"index": "0", "select_across": "1", "_selected_action": "0", "action": "save_people_as_segment"}
    asked = {"apply": "1", "what": "rule", "name": "In Oslo"}
    form = client.post(listed.context["people_url"], chosen | asked, follow=True).content.decode()

    assert "&quot;Oslo&quot;" in form
    assert "In Oslo" in form
    assert "save_people_as_segment" not in sign_in("viewer").get(people_url(lives_in("Oslo"))).content.decode()


def test_a_portrait_begins_with_what_is_common_and_compares_and_sorts(loyal):
    other = SegmentFactory(key="new")
    client = sign_in("viewer", language="zh-hans")

    first = page(client, loyal)
    [compared] = cards(client, page(client, loyal, f"?by=attribute:city&compare={other.key}&sort=tgi"))

    assert {"性别", "城市"} <= {label for label, _url in first.context["cards"]}
    assert "人群画像" in first.content.decode()
    assert rows(compared) == [("Oslo", (1, 75.0), (0, None), (2, None)), ("无", (1, 150.0), (0, None), (1, None))]


def test_what_cannot_be_shown_says_why_and_the_rest_is_shown(loyal):
    TagFactory(key="vip", name="VIP")

    client = sign_in("viewer", language="en")
    response = page(client, loyal, "?by=attribute:email&by=tag:gone&by=tag:vip")

    assert [card.context["card"].get("problem", "") for card in cards(client, response)] == [
        "“attribute:email” is personal data, which your role does not see.",
        "there is no tag 'gone'",
        "",
    ]
    offered = {value for _label, choices in response.context["kinds"] for value, _name in choices}
    assert "tag:vip" in offered
    assert "attribute:email" not in offered


@pytest.mark.parametrize("rule", ["x", "{}", '{"op":"tag","key":"vip"}'])
def test_a_list_by_a_rule_that_was_not_made_here_is_refused(loyal, rule):
    response = sign_in("operator", language="en").get(reverse("admin:profiles_profile_changelist"), {"rule": rule})

    assert list(response.context["cl"].result_list) == []
    assert "This address cannot be read" in response.content.decode()


def test_who_may_not_see_personal_data_cannot_ask_for_it_by_a_link_of_others(loyal):
    ProfileFactory(attributes={"email": "ann@example.com"})
    link = people_url({"any": [{"not": OF_EMAIL}, OF_EMAIL]})
    city = people_url({"all": [lives_in("Oslo"), {"op": "segment", "key": "loyal"}]})

    seen = {role: len(sign_in(role).get(link).context["cl"].result_list) for role in ("viewer", "operator")}
    before = len(sign_in("viewer").get(city).context["cl"].result_list)
    AttributeDefinition.objects.filter(key="city").update(is_pii=True)
    after = len(sign_in("viewer").get(city).context["cl"].result_list)

    assert seen == {"viewer": 0, "operator": 4}
    assert (before, after) == (1, 0)


def test_a_rule_too_long_for_an_address_makes_no_link():
    values = [f"{n * 7919:x}{n * 104729:x}" for n in range(3000)]

    assert people_url({"op": "attribute", "key": "city", "is": "in", "value": values}) == ""
    assert len(people_url(lives_in("Oslo"))) < MAX_ADDRESS


def test_a_card_that_takes_too_long_says_so_in_its_place(loyal, monkeypatch):
    def break_down(*args, **kwargs):
        raise PreviewTimeout

    monkeypatch.setattr(portrait, "break_down", break_down)
    client = sign_in("operator", language="en")

    [card] = cards(client, page(client, loyal, "?by=attribute:city"))

    assert card.status_code == 200
    assert "takes longer" in card.content.decode()
    assert "Try again" in card.content.decode()


def test_a_portrait_of_many_dimensions_asks_for_each_by_itself(loyal):
    named = "&".join(f"by=attribute:a{n}" for n in range(21))

    response = page(sign_in("operator", language="en"), loyal, f"?{named}")

    assert [label for label, _url in response.context["cards"]] == [f"attribute:a{n}" for n in range(20)]
    assert "at most 20 dimensions" in response.content.decode()
