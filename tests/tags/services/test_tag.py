"""Saving and deleting tags."""

import pytest
from django.core.exceptions import ValidationError

from cdp.rules.errors import RuleError
from profiles.refresh.saving import StillUsed
from tags.models import Tag, TagValue
from tags.services import delete_tag, save_tag
from tags.services.tag import MAX_VALUES
from tests.factories.segments import SegmentFactory, lives_in
from tests.factories.tags import TagAssignmentFactory, TagFactory, TagValueFactory

pytestmark = pytest.mark.django_db


def value(key: str, rule: object = None) -> TagValue:
    return TagValue(key=key, name=key.title(), rule=rule)


def test_of_one_that_was_read_before_another_saved_it_the_changed_fields_are_saved():
    tag = TagFactory()
    Tag.objects.update(description="Ours", expires_after_days=7)
    tag.name = "Mine"

    assert save_tag(tag, changed=["name"]) is None

    assert Tag.objects.values_list("name", "description", "expires_after_days").get() == ("Mine", "Ours", 7)


def test_tag_by_hand_needs_no_refresh():
    assert save_tag(Tag(key="vip", name="VIP"), values=[value("gold"), value("silver")]) is None

    assert list(TagValue.objects.order_by("position").values_list("key", flat=True)) == ["gold", "silver"]


def test_tag_by_rule_is_refreshed():
    run = save_tag(Tag(key="north", name="North", kind="rule", rule=lives_in("Oslo")))

    assert run.subject == "tag:north"


def test_new_order_of_values_gets_a_new_version_and_a_refresh():
    tag = TagFactory(kind="rule")
    first, second = (TagValueFactory(tag=tag, rule=lives_in(city)) for city in ("Oslo", "Rome"))

    assert save_tag(tag, values=[second, first]) is not None

    assert Tag.objects.get().rule_version == 2
    assert list(TagValue.objects.order_by("position")) == [second, first]


def test_values_are_matched_by_their_keys():
    tag = TagFactory(kind="rule")
    stored = TagValueFactory(tag=tag, key="cold", rule=lives_in("Oslo"))

    assert save_tag(tag, values=[value("cold", lives_in("Oslo"))]) is None

    assert TagValue.objects.get() == stored
    assert TagValue.objects.get().name == "Cold"


def test_many_values_are_saved_in_few_statements(django_assert_max_num_queries):
    tag = TagFactory()
    first, *_rest, last = many = [value(f"shop-{n}") for n in range(MAX_VALUES)]
    with django_assert_max_num_queries(30):
        save_tag(tag, values=many)
    first.name = "Main shop"

    with django_assert_max_num_queries(30):
        save_tag(tag, values=[last, *many[:-1]])

    assert list(tag.values.order_by("position").values_list("name", flat=True))[:2] == ["Shop-999", "Main shop"]


def test_more_values_than_pages_can_show_are_refused_unless_they_are_there(monkeypatch):
    tag = TagFactory()
    save_tag(tag, values=[value("a"), value("b")])
    monkeypatch.setattr("tags.services.tag.MAX_VALUES", 1)

    with pytest.raises(ValidationError, match="at most 1 values"):
        save_tag(tag, values=[value("a"), value("b"), value("c")])
    save_tag(tag, values=[value("a"), value("c")])

    assert set(tag.values.values_list("key", flat=True)) == {"a", "c"}


@pytest.mark.parametrize(
    ("kind", "rule", "values", "message"),
    [
        ("manual", lives_in("Oslo"), [], "no rules"),
        ("manual", None, [("a", lives_in("Oslo"))], "no rules"),
        ("rule", None, [], "needs one rule"),
        ("rule", None, [("a", lives_in("Oslo")), ("b", None)], "needs one rule"),
        ("rule", lives_in("Oslo"), [("a", lives_in("Oslo"))], "not both"),
        ("manual", None, [("a", None), ("a", None)], "must differ"),
    ],
)
def test_rule_and_values_that_do_not_fit_the_kind_are_refused(kind, rule, values, message):
    tag = Tag(key="north", name="North", kind=kind, rule=rule)

    with pytest.raises(ValidationError, match=message):
        save_tag(tag, values=[value(*given) for given in values])

    assert not Tag.objects.exists()


def test_problems_of_a_values_rule_carry_its_place():
    with pytest.raises(RuleError) as error:
        save_tag(Tag(key="north", name="North", kind="rule"), values=[value("a", {"op": "juggle"})])

    assert [problem.path for problem in error.value.problems] == ["values[0].rule.op"]


def test_kind_cannot_be_changed():
    tag = TagFactory()
    tag.kind, tag.rule = "rule", lives_in("Oslo")

    with pytest.raises(ValidationError, match="make another tag"):
        save_tag(tag)


def test_value_that_a_hand_assigned_cannot_go():
    tag = TagFactory()
    gold = TagValueFactory(tag=tag, key="gold", name="Gold")
    TagAssignmentFactory(tag=tag, value=gold)

    with pytest.raises(StillUsed, match="“Gold” is still used by: 1 profile"):
        save_tag(tag, values=[value("silver")])

    assert TagValue.objects.get() == gold


def test_value_that_a_rule_speaks_of_cannot_go():
    tag = TagFactory(key="card", name="Card")
    TagValueFactory(tag=tag, key="gold")
    SegmentFactory(name="Golden", rule={"op": "tag", "key": "card", "value": ["gold"]})

    with pytest.raises(StillUsed, match="“Gold” is still used by: Golden"):
        save_tag(tag, values=[value("silver")])

    assert TagValue.objects.get().key == "gold"


def test_key_of_a_value_cannot_be_changed():
    gold = TagValueFactory(key="gold")
    gold.key = "silver"

    with pytest.raises(ValidationError, match="cannot be changed"):
        save_tag(gold.tag, values=[gold])


def test_tag_is_deleted_from_everybody():
    delete_tag(TagAssignmentFactory().tag)

    assert not Tag.objects.exists()


def test_tag_that_a_rule_speaks_of_is_kept():
    tag = TagFactory(key="vip", name="VIP")
    SegmentFactory(name="Best", rule={"op": "tag", "key": "vip"})

    with pytest.raises(StillUsed, match="“VIP” is still used by: Best"):
        delete_tag(tag)

    assert Tag.objects.exists()
