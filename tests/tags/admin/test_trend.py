"""Every number of the trend's page opens its people."""

import json
import re
from datetime import timedelta
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest

from cdp.roles import OPERATOR
from cdp.rules.days import business_day
from profiles.models import Profile
from tags.services.days import count_days
from tests.factories.profiles import ProfileFactory
from tests.factories.tags import TagChangeFactory, TagFactory, TagValueFactory
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db
LIST = "/admin/profiles/profile/"


def make_card(now):
    """Ann and Bob got gold; a day later Ann turned silver, Bob lost it, and Cleo got it, who is Di now."""
    card = TagFactory(name="Card")
    for key in ("gold", "silver"):
        TagValueFactory(tag=card, key=key, name=key.title())
    ann, bob, cleo, di = (ProfileFactory(attributes={"name": name}) for name in ("Ann", "Bob", "Cleo", "Di"))
    Profile.objects.filter(pk=cleo.pk).update(merged_into=di)
    moves = [(ann, None, "gold", 0), (bob, None, "gold", 0), (ann, "gold", "silver", 1), (bob, "gold", None, 1)]
    for profile, before, after, days in [*moves, (cleo, None, "gold", 1)]:
        TagChangeFactory(tag=card, profile=profile, before=before, after=after, at=now + timedelta(days=days))
    return card


def names(client, query):
    answer = client.get(LIST, query)
    return sorted(profile.attributes["name"] for profile in answer.context["cl"].result_list)


def test_every_number_of_a_day_opens_its_people(now):
    card = make_card(now)
    client = sign_in(OPERATOR, language="en")
    first, second = (business_day(now + timedelta(days=days)) for days in (0, 1))
    asked = {
        f"{card.pk}@{first}": ["Ann", "Bob"],
        f"{card.pk}:gold@{first}": ["Ann", "Bob"],
        f"{card.pk}+@{first}": ["Ann", "Bob"],
        f"{card.pk}@{second}": ["Ann", "Di"],
        f"{card.pk}:gold@{second}": ["Di"],
        f"{card.pk}:silver@{second}": ["Ann"],
        f"{card.pk}+@{second}": ["Di"],
        f"{card.pk}-@{second}": ["Bob"],
    }

    found = {each: names(client, {"tagged_on": each}) for each in asked}

    assert found == asked
    page = client.get(LIST, {"tagged_on": f"{card.pk}-@{second}"})
    assert page.context["cl"].listed.words == f"tagged on a day: lost “Card” on {second}"
    assert page.context["cl"].listed.rule is None


def test_the_page_links_each_number_that_is_not_0(monkeypatch, now):
    card = make_card(now)
    count_days()
    monkeypatch.setattr("tags.admin.trend.business_day", lambda _now: business_day(now + timedelta(days=1)))
    client = sign_in(OPERATOR)

    page = client.get(f"/admin/tags/tag/{card.pk}/trend/").content.decode()

    links = [unescape(link) for link in re.findall(r'href="([^"]*tagged_on=[^"]*)"', page)]
    shown = [parse_qs(urlsplit(link).query)["tagged_on"][0].partition("@")[0] for link in links]
    pk = card.pk
    assert shown == [f"{pk}", f"{pk}:gold", f"{pk}:silver", f"{pk}+", f"{pk}-", f"{pk}", f"{pk}:gold", f"{pk}+"]


def test_a_point_of_the_chart_opens_what_the_number_beneath_does(monkeypatch, now):
    card = make_card(now)
    count_days()
    monkeypatch.setattr("tags.admin.trend.business_day", lambda _now: business_day(now + timedelta(days=1)))

    answer = sign_in(OPERATOR).get(f"/admin/tags/tag/{card.pk}/trend/")

    first, second = (business_day(now + timedelta(days=days)) for days in (0, 1))
    names = [line["label"] for line in json.loads(answer.context["chart"])["datasets"]]
    assert names == ["All", "Gold", "Silver"]
    assert json.loads(answer.context["chart_opens"]) == [
        [f"{LIST}?tagged_on={card.pk}{value}@{day}" for day in (first, second)] for value in ("", ":gold", ":silver")
    ]


@pytest.mark.parametrize("asked", ["1", "1@never", "x@2026-01-01", "1+:gold@2026-01-01", "1@9999-12-31", "@2026-01-01"])
def test_what_makes_no_sense_finds_nobody(asked):
    ProfileFactory()

    answer = sign_in(OPERATOR).get(LIST, {"tagged_on": asked})

    assert (answer.status_code, list(answer.context["cl"].result_list)) == (200, [])


def test_those_without_a_value_have_a_column_where_there_are_some(monkeypatch, now):
    card = make_card(now)
    TagChangeFactory(tag=card, profile=ProfileFactory(attributes={"name": "Eve"}), before=None, after="", at=now)
    count_days()
    monkeypatch.setattr("tags.admin.trend.business_day", lambda _now: business_day(now))
    client = sign_in(OPERATOR, language="en")
    asked = f"{card.pk}:@{business_day(now)}"

    page = client.get(f"/admin/tags/tag/{card.pk}/trend/").content.decode()

    assert "Without a value" in page
    assert f"?tagged_on={asked}" in page
    assert names(client, {"tagged_on": asked}) == ["Eve"]
    words = client.get(LIST, {"tagged_on": asked}).context["cl"].listed.words
    assert words == f"tagged on a day: carried “Card · Without a value” at the end of {business_day(now)}"
