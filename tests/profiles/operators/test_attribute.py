"""The operator `attribute`: its SQL, and what it makes of the golden record."""

import pytest
from django.utils.translation import override

from cdp.rules.catalogue import Wanted, catalogue
from cdp.rules.describe import describe_rule
from cdp.rules.parse import parse_rule
from cdp.rules.scope import Scope
from profiles.models import AttributeDefinition
from tests.factories.profiles import AttributeDefinitionFactory, IdentifierFactory, ProfileFactory
from tests.matching import matching, where_of

pytestmark = pytest.mark.django_db


def attribute(key, word, *value):
    return {"op": "attribute", "key": key, "is": word, **({"value": value[0]} if value else {})}


def test_text_is_compared_where_it_is_text(now):
    assert where_of(attribute("city", "eq", "Oslo"), now) == (
        "CASE WHEN (jsonb_typeof((attributes -> 'city'::text)) = 'string') "
        "THEN (((attributes -> 'city'::text) #>> '{}') = 'Oslo') ELSE false END"
    )


def test_a_denial_is_plain_not(now):
    assert where_of(attribute("city", "ne", "Oslo"), now) == f"NOT {where_of(attribute('city', 'eq', 'Oslo'), now)}"


def test_a_number_is_compared_as_json_and_never_cast(now):
    AttributeDefinitionFactory(key="n", type="number")

    assert where_of(attribute("n", "between", [1, 2.5]), now) == (
        "CASE WHEN (jsonb_typeof((attributes -> 'n'::text)) = 'number') "
        "THEN (((attributes -> 'n'::text) >= '1'::jsonb) AND ((attributes -> 'n'::text) <= '2.5'::jsonb)) "
        "ELSE false END"
    )


def test_a_date_is_text_in_the_order_of_bytes(now):
    assert where_of(attribute("birthday", "in_last", {"days": 7}), now) == (
        "CASE WHEN (jsonb_typeof((attributes -> 'birthday'::text)) = 'string') "
        "THEN ((((attributes -> 'birthday'::text) #>> '{}') COLLATE C >= '2026-06-09') "
        "AND (((attributes -> 'birthday'::text) #>> '{}') COLLATE C < '2026-06-16')) ELSE false END"
    )


@pytest.mark.parametrize("most", [30, 1_500, 2_025, 9_999])
def test_a_time_is_compared_with_years_of_less_than_four_digits_too(now, most):
    AttributeDefinitionFactory(key="seen", type="datetime")
    person = ProfileFactory(attributes={"seen": "2001-06-15T03:59:59.999999Z"})

    assert matching(attribute("seen", "years_between", [25, most]), now) == {person.pk}


def test_a_built_in_time_is_a_column(now):
    assert where_of(attribute("created_at", "before", "2026-01-01"), now) == (
        "CASE WHEN created_at IS NOT NULL THEN (created_at < '2025-12-31 16:00:00+00:00'::timestamptz) ELSE false END"
    )


def test_somebody_known_has_an_identifier_of_a_personal_kind(now):
    known = IdentifierFactory(kind_key="email", value="ann@example.com").profile
    visitor = IdentifierFactory(kind_key="anonymous_id", value="a1").profile

    assert matching(attribute("is_known", "eq", True), now) == {known.pk}
    assert matching(attribute("is_known", "eq", False), now) == {visitor.pk}
    assert matching(attribute("is_known", "unset"), now) == set()


def test_scope_narrows_outside_and_inside(now):
    assert where_of(attribute("is_known", "eq", True), now, Scope([7, 8])) == (
        "((id = ANY('{7,8}'::bigint[])) AND EXISTS(SELECT 1 AS a FROM profiles_identifier U0 "
        "INNER JOIN profiles_identifierkind U2 ON (U0.kind_id = U2.id) "
        "WHERE ((U0.profile_id = ANY('{7,8}'::bigint[])) AND U2.is_personal AND U0.profile_id = (id)) LIMIT 1))"
    )


def test_a_merged_profile_is_nobody(now):
    survivor = ProfileFactory(attributes={"city": "Oslo"})
    ProfileFactory(attributes={"city": "Oslo"}, merged_into=survivor)

    assert matching(attribute("city", "eq", "Oslo"), now) == {survivor.pk}


@pytest.mark.parametrize("key", ["isnull", "7", "a.b", 'it\'s "%s" {0}', "名字"])
def test_a_key_is_never_read_as_anything_but_a_key(key, now):
    AttributeDefinitionFactory(key=key)
    person = ProfileFactory(attributes={key: "x"})
    ProfileFactory(attributes={"a": {"b": "x"}})

    assert matching(attribute(key, "set"), now) == {person.pk}


def test_on_29_february_in_a_common_year_the_anniversary_is_a_day_earlier(now):
    leap = ProfileFactory(attributes={"birthday": "2000-02-29"})
    day_before = ProfileFactory(attributes={"birthday": "2001-02-28"})
    ProfileFactory(attributes={"birthday": "2001-03-01"})
    morning_of_28_february_2027 = now.replace(year=2027, month=2, day=28)
    morning_of_28_february_2028 = now.replace(year=2028, month=2, day=28)

    rule = attribute("birthday", "anniversary_in_next", {"days": 1})

    assert matching(rule, morning_of_28_february_2027) == {leap.pk, day_before.pk}
    assert matching(rule, morning_of_28_february_2028) == {day_before.pk}


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        (attribute("city", "not_in", ["Oslo", "上海"]), "City is none of “Oslo”, “上海”"),
        (attribute("birthday", "years_between", [25, 30]), "Birthday is from 25 to 30 years ago"),
        (attribute("last_seen_at", "in_last", {"hours": 1}), "the last sight lies in the last 1 hour"),
        (attribute("is_known", "eq", True), "is a known person"),
        (attribute("is_known", "eq", False), "is not a known person"),
        (attribute("city", "unset"), "City is not known"),
    ],
)
def test_the_sentence(rule, sentence):
    assert describe_rule(parse_rule(rule)) == sentence


def test_topics():
    rule = {"any": [attribute("city", "set"), {"not": attribute("is_known", "eq", True)}]}

    assert parse_rule(rule).topics() == {"attribute:city", "attribute:is_known"}


def test_the_name_of_a_person_is_called_otherwise_than_that_of_a_thing():
    """In Chinese they are two words: 姓名 and 名称."""
    rule = parse_rule(attribute("name", "eq", "Ann"))

    with override("zh-hans"):
        option = next(each for each in catalogue("attribute").offer(Wanted(term="")) if each.value == "name")
        shown = AttributeDefinition.objects.get(key="name").shown_label
        told = describe_rule(rule)

    assert (option.label, shown) == ("姓名", "姓名")
    assert "姓名" in str(told)
