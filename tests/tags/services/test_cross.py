"""Two tags crossed."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from django.core.exceptions import ValidationError

from profiles.services.preview import preview_rule
from tags.models import Tag
from tags.services import cross as crossing
from tags.services.cross import cross_tags, join_tags, pair_keys
from tests.clients import api_of
from tests.factories.cdp import UserFactory
from tests.factories.profiles import ProfileFactory
from tests.factories.tags import TagAssignmentFactory, TagFactory, TagValueFactory
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 6, 15, 4, tzinfo=UTC)


@pytest.fixture
def world():
    """Three with gold, of whom two are vip; one with silver; one who is vip alone, and whose gold has ended; two with
    nothing.
    """
    card, vip = TagFactory(key="card", name="Card"), TagFactory(key="vip", name="VIP")
    gold, silver = (TagValueFactory(tag=card, key=key, name=key.title()) for key in ("gold", "silver"))
    people = ProfileFactory.create_batch(7)
    ProfileFactory(merged_into=people[0])
    for person, value in zip(people, [gold, gold, gold, silver], strict=False):
        TagAssignmentFactory(tag=card, value=value, profile=person)
    for person in (people[0], people[1], people[4]):
        TagAssignmentFactory(tag=vip, profile=person)
    TagAssignmentFactory(tag=card, value=gold, profile=people[4], expires_at=NOW - timedelta(days=1))
    return card, vip


def test_everybody_is_in_one_cell_and_its_rule_finds_them(world):
    cross = cross_tags(*world, now=NOW)

    assert [(side.key, side.name) for side in cross.rows] == [
        ("gold", "Gold"), ("silver", "Silver"), (None, "Without the tag"),
    ]  # fmt: skip
    assert [side.name for side in cross.columns] == ["With the tag", "Without the tag"]
    assert cross.counts == [[2, 1], [0, 1], [1, 2]]
    assert (cross.n_people, cross.n_row(0), cross.n_column(0)) == (7, 3, 3)
    for row in range(3):
        for column in range(2):
            assert preview_rule(cross.people(row, column), now=NOW).count == cross.counts[row][column]
    assert preview_rule(cross.people(0, None), now=NOW).count == 3
    assert cross.people(None, None) is None


def test_those_with_a_tag_but_none_of_its_values_are_a_row_of_their_own(world):
    card, vip = world
    TagAssignmentFactory(tag=card, profile=ProfileFactory())

    cross = cross_tags(card, vip, now=NOW)

    assert [side.key for side in cross.rows] == ["gold", "silver", "", None]
    assert cross.counts[2] == [0, 1]
    assert preview_rule(cross.people(2, None), now=NOW).count == 1


def test_one_tag_is_made_of_both(world):
    joined = join_tags(*world, key="both", name="Both", user=UserFactory(), now=NOW)

    assert (joined.kind, joined.lifecycle) == (Tag.Kind.RULE, Tag.Lifecycle.DRAFT)
    (value,) = joined.values.all()
    assert (value.key, value.name) == ("gold-vip", "Gold · With the tag")
    assert preview_rule(value.rule, now=NOW).count == 2


def test_a_tag_is_not_crossed_with_itself(world):
    with pytest.raises(ValidationError, match="another tag"):
        cross_tags(world[0], world[0], now=NOW)


def test_the_api_tells_counts_shares_and_rules(world, django_assert_num_queries):
    api = api_of("viewer")

    with django_assert_num_queries(15):
        answer = api.send("get", "tags/card/cross/?with=vip").json()

    assert answer["total"] == 7
    assert answer["rows"] == [
        {"value": "gold", "name": "Gold", "count": 3},
        {"value": "silver", "name": "Silver", "count": 1},
        {"value": None, "name": "Without the tag", "count": 3},
    ]
    assert [side["count"] for side in answer["columns"]] == [3, 4]
    assert len(answer["cells"]) == 6
    assert answer["cells"][0] == {
        "row": "gold",
        "column": "",
        "count": 2,
        "percent_of_row": 66.67,
        "percent_of_column": 66.67,
        "percent": 28.57,
        "rule": {"all": [{"op": "tag", "key": "card", "value": ["gold"]}, {"op": "tag", "key": "vip"}]},
    }


@pytest.mark.parametrize("other", ["", "none", "card", "old"])
def test_the_api_refuses_what_it_cannot_cross(world, other):
    TagFactory(key="old", lifecycle=Tag.Lifecycle.ARCHIVED)

    answer = api_of("viewer").send("get", f"tags/card/cross/?with={other}").json()

    assert (answer["status"], answer["errors"][0]["path"]) == (400, "with")


def test_every_number_of_the_page_opens_its_people_and_a_tag_is_made_of_it(world):
    card, _vip = world
    address = f"/admin/tags/tag/{card.pk}/cross/?with=vip"
    client = sign_in("operator")

    page = client.get(address)
    row = page.context["rows"][0]
    people = client.get(row["cells"][0]["url"]).context["cl"].result_count
    made = client.post(address, {"name": "Both", "key": "both"})
    again = client.post(address, {"name": "Both", "key": "both"})

    assert [(cell["n"], round(cell["percent"])) for cell in row["cells"]] == [(2, 67), (1, 33)]
    assert people == 2
    assert urlsplit(made["Location"]).path == f"/admin/tags/tag/{Tag.objects.get(key='both').pk}/change/"
    assert again.status_code == 200
    assert "It is taken already: choose another." in again.content.decode()
    assert client.get(f"/admin/tags/tag/{card.pk}/cross/").status_code == 200


def test_who_may_only_look_makes_no_tag(world):
    card, _vip = world

    answer = sign_in("viewer").post(f"/admin/tags/tag/{card.pk}/cross/?with=vip", {"name": "Both", "key": "both"})

    assert answer.context["form"] is None
    assert not Tag.objects.filter(key="both").exists()


def test_pairs_of_values_have_keys_of_their_own():
    long = "a" * 49

    keys = pair_keys([("gold", "big"), ("a-b", "c"), ("a", "b-c"), (long + "1", long + "1"), (long + "1", long + "2")])

    assert keys == ["gold-big", "a-b-c", "a-b-c-2", f"{'a' * 24}-{'a' * 25}", f"{'a' * 22}-{'a' * 22}-2"]
    assert max(map(len, keys)) <= 50


def test_tags_with_too_many_values_are_not_crossed(world, monkeypatch):
    card, _vip = world
    monkeypatch.setattr(crossing, "MAX_CELLS", 1)
    problem = "These have too many values to cross: 2 by 1, of 1 cells at most."

    page = sign_in("viewer").get(f"/admin/tags/tag/{card.pk}/cross/?with=vip")
    answer = api_of("viewer").send("get", "tags/card/cross/?with=vip")

    assert problem in page.content.decode()
    assert (answer.status_code, answer.json()["errors"]) == (400, [{"path": "with", "message": problem}])
