"""Values of a tag that has more than its form shows."""

import json

import pytest

from cdp.models import Run
from cdp.roles import OPERATOR, VIEWER
from tags.admin import tag as tag_pages
from tags.models import Tag, TagValue
from tests.factories.tags import TagAssignmentFactory, TagFactory, TagValueFactory
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db
VALUES = "/admin/tags/tagvalue/"
IN_OSLO = {"op": "attribute", "key": "city", "is": "eq", "value": "Oslo"}


@pytest.fixture
def card(monkeypatch):
    """A tag with three values, where two are what a form shows."""
    monkeypatch.setattr(tag_pages, "MAX_INLINE", 2)
    tag = TagFactory(key="card", name="Card")
    for key in ("gold", "silver", "iron"):
        TagValueFactory(tag=tag, key=key, name=key.title())
    return tag


def keys(tag):
    return list(tag.values.order_by("position").values_list("key", flat=True))


def edited(tag, **given):
    return {"name": tag.name, "category": "", "owner": "", "description": "", "seen_version": tag.rule_version, **given}


def test_the_page_of_the_tag_leads_to_them_and_saves_the_rest(card):
    client, address = sign_in(OPERATOR), f"/admin/tags/tag/{card.pk}/change/"

    page = client.get(address).content.decode()
    saved = client.post(address, edited(card, name="Club card"))

    assert f'href="{VALUES}?tag={card.pk}"' in page
    assert "values-TOTAL_FORMS" not in page
    assert saved.status_code == 302
    assert Tag.objects.get().name == "Club card"
    assert keys(card) == ["gold", "silver", "iron"]


def test_what_was_typed_of_values_that_became_too_many_is_not_lost_without_a_word(card):
    rows = {"values-TOTAL_FORMS": 1, "values-INITIAL_FORMS": 0, "values-0-name": "New", "values-0-key": "new"}

    answer = sign_in(OPERATOR).post(f"/admin/tags/tag/{card.pk}/change/", edited(card, name="Club card", **rows))

    assert "It has more values by now than a form shows: reload the page." in answer.content.decode()
    assert Tag.objects.get().name == "Card"


def test_they_are_listed_by_tag_found_and_counted(card):
    TagAssignmentFactory(tag=card, value=card.values.get(key="gold"))
    TagValueFactory(key="gold", name="Another tag's")
    client = sign_in(VIEWER)

    page = client.get(VALUES, {"tag": card.pk})
    found = client.get(VALUES, {"tag": card.pk, "q": "gol"})

    assert page.context["title"] == "Card · Values"
    assert f'href="/admin/tags/tag/{card.pk}/change/">Card</a>' in page.content.decode()
    assert page.context["cl"].list_display == ("name", "key", "n_carriers")
    assert [(value.key, value.n_assigned) for value in page.context["cl"].result_list] == [
        ("gold", 1), ("silver", 0), ("iron", 0)
    ]  # fmt: skip
    assert [value.key for value in found.context["cl"].result_list] == ["gold"]


def test_one_is_added_edited_moved_and_deleted(card):
    client = sign_in(OPERATOR)
    gold = card.values.get(key="gold")

    added = client.post(f"{VALUES}add/", {"tag": card.pk, "name": "白金", "key": "", "position": ""})
    client.post(f"{VALUES}{gold.pk}/change/", {"name": "Gold!", "position": "1"})
    client.post(f"{VALUES}{card.values.get(key='iron').pk}/delete/", {"post": "yes"})

    assert (added.status_code, added["Location"]) == (302, f"{VALUES}?tag={card.pk}")
    assert list(card.values.order_by("position").values_list("key", "name", "position")) == [
        ("silver", "Silver", 0), ("gold", "Gold!", 1), ("bai-jin", "白金", 2)
    ]  # fmt: skip


def test_what_the_service_refuses_is_said_and_nothing_changes(card):
    client, gold = sign_in(OPERATOR), card.values.get(key="gold")
    TagAssignmentFactory(tag=card, value=gold)

    taken = client.post(f"{VALUES}add/", {"tag": card.pk, "name": "Gold", "key": "gold", "position": ""})
    ruled = client.post(
        f"{VALUES}add/", {"tag": card.pk, "name": "Oslo", "key": "", "position": "", "rule": json.dumps(IN_OSLO)}
    )
    carried = client.post(f"{VALUES}{gold.pk}/delete/", {"post": "yes"}, follow=True).content.decode()

    assert taken.context["adminform"].form.errors
    assert ruled.status_code == 302
    assert TagValue.objects.get(key="oslo").rule is None  # of a tag by hand it is not meant
    assert "“Gold” is still used by: 1 profile." in carried
    assert keys(card) == ["gold", "silver", "iron", "oslo"]


def test_a_value_of_a_rule_tag_has_its_rule_and_is_refreshed():
    tag = TagFactory(key="town", kind="rule", rule=None)
    value = TagValueFactory(tag=tag, key="oslo", name="Oslo", rule=IN_OSLO)
    client, address = sign_in(OPERATOR), f"{VALUES}{value.pk}/change/"

    bad = client.post(address, {"name": "Oslo", "position": "0", "rule": '{"op": "nothing"}'})
    none = client.post(address, {"name": "Oslo", "position": "0", "rule": ""})
    client.post(address, {"name": "Oslo", "position": "0", "rule": json.dumps({"not": IN_OSLO})})

    assert bad.context["adminform"].form.errors
    assert none.context["adminform"].form.errors
    assert TagValue.objects.get().rule == {"not": IN_OSLO}
    assert [run.subject for run in Run.objects.all()] == ["tag:town"]


@pytest.mark.parametrize("given", [{"lifecycle": "archived"}, {"kind": "score"}])
def test_what_is_archived_or_by_score_is_read(given):
    value = TagValueFactory(tag=TagFactory(**given), key="gold", name="Gold")

    page = sign_in(OPERATOR).get(f"{VALUES}{value.pk}/change/")

    assert page.status_code == 200
    assert 'name="name"' not in page.content.decode()
    assert sign_in(OPERATOR).post(f"{VALUES}{value.pk}/change/", {"name": "New", "position": "0"}).status_code == 403


def test_those_with_most_carriers_stand_for_many_on_the_card(card, monkeypatch):
    monkeypatch.setattr(tag_pages, "MAX_BARS", 1)
    TagAssignmentFactory(tag=card, value=card.values.get(key="iron"))

    shown = sign_in(VIEWER).get(f"/admin/tags/tag/{card.pk}/coverage/").content.decode()

    assert "Iron" in shown
    assert "Gold" not in shown
    assert "The 1 that most people carry, of 3." in shown


def test_a_new_one_is_asked_for_a_rule_where_its_tag_has_some(card):
    town = TagFactory(kind="rule", rule=None)
    client = sign_in(OPERATOR)

    by_hand, by_rule, of_any = (
        client.get(f"{VALUES}add/", {"_changelist_filters": asked})
        for asked in (f"tag={card.pk}", f"tag={town.pk}&q=x", "tag=x")
    )

    fields = [list(each.context["adminform"].fields) for each in (by_hand, by_rule, of_any)]
    assert [("rule" in names) for names in fields] == [False, True, True]
    assert by_hand.context["adminform"].form.initial["tag"] == card.pk
