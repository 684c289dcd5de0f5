"""Groups as sentences."""

import pytest
from django.utils.translation import override

from cdp.rules.describe import describe_rule
from cdp.rules.parse import parse_rule

pytestmark = pytest.mark.django_db


def lives_in(city):
    return {"op": "attribute", "key": "city", "is": "eq", "value": city}


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ({"all": [lives_in("A")]}, "City is “A”"),
        ({"all": [lives_in("A"), lives_in("B")]}, "City is “A” and City is “B”"),
        (
            {"any": [lives_in("A"), {"all": [lives_in("B"), {"not": lives_in("100%")}]}]},
            "City is “A” or (City is “B” and not (City is “100%”))",
        ),
    ],
)
def test_groups_inside_groups_stand_in_brackets(rule, sentence):
    assert describe_rule(parse_rule(rule)) == sentence


IS_KNOWN = {"op": "attribute", "key": "is_known", "is": "eq", "value": True}
VALUED = {"op": "score", "model": "rfm", "field": "class", "is": "in", "value": ["111", "011"]}
BOUGHT = {"op": "event", "name": "Order Completed", "within": {"last_days": 90}}


def test_codes_of_a_score_read_as_their_names():
    assert describe_rule(parse_rule({"all": [VALUED]})) == (
        "customer class of RFM is one of “Important value”, “Important retention”"
    )


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ({"all": [IS_KNOWN]}, "是已识别的个人"),
        ({"all": [IS_KNOWN | {"value": False}]}, "不是已识别的个人"),
        (
            {"all": [IS_KNOWN, {"any": [VALUED, BOUGHT]}]},
            "是已识别的个人，且（RFM的客户类别为“重要价值”、“重要保持”之一，或最近 90 天内发生过“购买（订单完成）”）",
        ),
        ({"not": BOUGHT | {"name": ["A", "B"]}}, "最近 90 天内从未发生“A”或“B”"),
        ({"not": {"not": IS_KNOWN}}, "不满足（不是已识别的个人）"),
        ({"not": BOUGHT | {"is": "lt", "value": 1}}, "最近 90 天内发生过“购买（订单完成）”"),
        ({"not": BOUGHT | {"is": "gte", "value": 2}}, "不满足（最近 90 天内的“购买（订单完成）”的次数不小于 2）"),
        (
            {"all": [BOUGHT | {"is": "gte", "value": 3, "measure": "days"}]},
            "最近 90 天内的“购买（订单完成）”的发生天数不小于 3",
        ),
        (
            {"all": [BOUGHT | {"is": "eq", "value": 0, "where": [{"key": "total", "is": "gt", "value": 5}]}]},
            "最近 90 天内从未发生“购买（订单完成）”（其中total大于 5）",
        ),
    ],
)
def test_a_sentence_reads_well_in_chinese(rule, sentence):
    with override("zh-hans"):
        assert describe_rule(parse_rule(rule)) == sentence


def in_cities(*cities):
    return parse_rule({"op": "attribute", "key": "city", "is": "in", "value": list(cities)})


def test_of_a_long_list_the_first_are_said_and_how_many_more():
    said = describe_rule(in_cities(*(f"c{n}" for n in range(5_000))))

    assert said.startswith("City is one of “c0”, “c1”, ")
    assert said.endswith("“c19” and 4980 more")
    assert describe_rule(in_cities(*(f"c{n}" for n in range(20)))).endswith(", “c19”")


def test_what_runs_from_right_to_left_does_not_turn_the_rest_of_the_sentence():
    said = describe_rule(in_cities("القدس", "a\u202eb\u2069", "Oslo"))

    assert said == "City is one of “\u2068القدس\u2069”, “\u2068a\u202eb\u2069”, “Oslo”"
