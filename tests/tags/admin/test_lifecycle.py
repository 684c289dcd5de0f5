"""The lifecycle of tags in the admin."""

import pytest

from cdp.models import Run
from cdp.roles import OPERATOR, VIEWER
from tags.models import Tag
from tests.factories.segments import SegmentFactory, lives_in
from tests.factories.tags import TagAssignmentFactory, TagFactory, TagValueFactory
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db


def listed(query=""):
    return [tag.key for tag in sign_in(OPERATOR).get(f"/admin/tags/tag/{query}").context["cl"].result_list]


def test_the_list_hides_the_archive():
    for key in ("draft", "active", "archived"):
        TagFactory(key=key, lifecycle=key, category="c" if key == "draft" else "")

    assert listed() == ["active", "draft"]
    assert listed("?lifecycle=archived") == ["archived"]
    assert listed("?lifecycle=all") == ["active", "archived", "draft"]
    assert listed("?category=c") == ["draft"]


def test_buttons_move_a_tag_on():
    tag = TagFactory(kind="rule", lifecycle="draft", rule=lives_in("Oslo"))
    client = sign_in(OPERATOR)
    url = f"/admin/tags/tag/{tag.pk}/lifecycle/"

    for to in ("active", "archived"):
        client.post(url, {"to": to})
        tag.refresh_from_db()
        assert tag.lifecycle == to

    page = client.get(f"/admin/tags/tag/{tag.pk}/change/").content.decode()
    assert Run.objects.get().subject == f"tag:{tag.key}"
    assert "Restore" in page
    assert 'name="name"' not in page


def test_who_may_only_look_moves_nothing():
    tag = TagFactory()

    assert sign_in(VIEWER).post(f"/admin/tags/tag/{tag.pk}/lifecycle/", {"to": "archived"}).status_code == 403

    assert Tag.objects.get().lifecycle == "active"


def test_dependents_are_named():
    tag = TagFactory(key="north")
    SegmentFactory(name="Northerners", rule={"op": "tag", "key": "north"})

    answer = sign_in(OPERATOR).post(f"/admin/tags/tag/{tag.pk}/lifecycle/", {"to": "archived"}, follow=True)

    assert "Northerners" in answer.content.decode()
    assert Tag.objects.get().lifecycle == "active"


def test_the_card_counts_and_opens_the_carriers_of_each_value():
    tag = TagFactory()
    gold = TagValueFactory(tag=tag, name="Gold")
    carrier = TagAssignmentFactory(tag=tag, value=gold).profile
    TagAssignmentFactory(tag=tag, value=TagValueFactory(tag=tag))
    client = sign_in(OPERATOR)

    card = client.get(f"/admin/tags/tag/{tag.pk}/coverage/").content.decode()
    people = client.get(f"/admin/profiles/profile/?tag={tag.pk}:{gold.pk}").context["cl"].result_list

    assert f"?tag={tag.pk}:{gold.pk}" in card
    assert "100.0% of 2 people" in card
    assert [person.pk for person in people] == [carrier.pk]


def test_the_card_counts_those_without_a_value_where_a_tag_got_its_values_later():
    tag = TagFactory()
    TagAssignmentFactory(tag=tag)
    gold = TagValueFactory(tag=tag, name="Gold")
    TagAssignmentFactory(tag=tag, value=gold)

    card = sign_in(OPERATOR).get(f"/admin/tags/tag/{tag.pk}/coverage/").content.decode()

    assert "Without a value" in card
    assert f'?tag={tag.pk}:"' in card
    assert card.count('<span class="st-quiet">50.0%</span>') == 2
