"""Tags in the admin."""

import json

import pytest

from cdp.models import Run
from cdp.roles import OPERATOR
from tags.models import Tag
from tests.factories.segments import lives_in
from tests.factories.tags import TagAssignmentFactory, TagFactory, TagValueFactory
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db
ADD = "/admin/tags/tag/add/"


def form(*values, **fields):
    rows = {f"values-{index}-{field}": text for index, value in enumerate(values) for field, text in value.items()}
    counts = {"values-TOTAL_FORMS": len(values), "values-INITIAL_FORMS": 0}
    plain = {
        "name": "Card",
        "key": "card",
        "kind": "manual",
        "lifecycle": "active",
        "category": "",
        "description": "",
        "rule": "",
    }
    return {**plain, **fields, **counts, **rows}


def test_a_manual_tag_is_saved_without_a_refresh():
    sign_in(OPERATOR).post(ADD, form())

    assert Tag.objects.get().kind == Tag.Kind.MANUAL
    assert not Run.objects.exists()


def test_a_rule_tag_is_saved_with_its_values_and_queues_a_refresh():
    rule = json.dumps(lives_in("Oslo"))
    values = [
        {"name": "B", "key": "b", "position": "1", "rule": rule},
        {"name": "A", "key": "a", "position": "0", "rule": rule},
    ]

    sign_in(OPERATOR).post(ADD, form(*values, kind="rule"))

    assert list(Tag.objects.get().values.values_list("key", "position")) == [("a", 0), ("b", 1)]
    assert [run.subject for run in Run.objects.all()] == ["tag:card"]


def test_keys_and_the_order_are_made_where_nobody_writes_them():
    names = ["金卡", "Silver card", "银卡", "Silver card"]
    values = [{"name": name, "key": "", "position": ""} for name in names]
    TagFactory(key="tag")
    client = sign_in(OPERATOR)

    client.post(ADD, form(*values, name="会员卡", key=""))
    client.post(ADD, form(name="Preview", key=""))

    tag = Tag.objects.get(name="会员卡")
    assert tag.key == "hui-yuan-ka"
    made = list(tag.values.values_list("name", "key", "position"))
    keys = ["jin-ka", "silver-card", "yin-ka", "silver-card-2"]
    assert made == list(zip(names, keys, range(4), strict=True))
    assert Tag.objects.get(name="Preview").key == "preview-2"


def test_a_new_value_comes_after_those_that_there_are():
    tag = TagFactory()
    first, second = (TagValueFactory(tag=tag, position=position) for position in range(2))
    told = [
        {"id": value.pk, "tag": tag.pk, "name": value.name, "key": value.key, "position": value.position}
        for value in (first, second)
    ]
    new = {"name": "New", "key": "", "position": ""}

    sign_in(OPERATOR).post(
        f"/admin/tags/tag/{tag.pk}/change/",
        form(*told, new, name=tag.name, key=tag.key, seen_version="1") | {"values-INITIAL_FORMS": 2},
    )

    assert list(tag.values.values_list("key", flat=True)) == [first.key, second.key, "new"]


def test_the_list_counts_those_who_carry_it():
    tag = TagFactory()
    for _ in range(3):
        TagAssignmentFactory(tag=tag)

    (row,) = sign_in(OPERATOR).get("/admin/tags/tag/").context["cl"].result_list

    assert row.n_assigned == 3


def test_a_tag_shows_the_rules_that_its_kind_has():
    by_hand, plain, valued = TagFactory(), TagFactory(kind="rule", rule=lives_in("Oslo")), TagFactory(kind="rule")
    TagValueFactory(tag=by_hand)
    TagValueFactory(tag=valued, rule=lives_in("Oslo"))
    client = sign_in(OPERATOR)

    forms = {tag: client.get(f"/admin/tags/tag/{tag.pk}/change/").content.decode() for tag in (by_hand, plain, valued)}
    listed = client.get("/admin/tags/tag/").content.decode()

    assert [name in forms[by_hand] for name in ('name="rule"', 'name="values-0-rule"')] == [False, False]
    assert [name in forms[plain] for name in ('name="rule"', 'name="values-__prefix__-rule"')] == [True, True]
    assert [name in forms[valued] for name in ('name="rule"', 'name="values-0-rule"')] == [False, True]
    assert "1 value" in listed
