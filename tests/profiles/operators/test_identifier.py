"""The operator `identifier`: has one of a kind."""

import pytest
from django.utils.translation import override

from cdp.rules.describe import describe_rule
from cdp.rules.errors import Problem, RuleError
from cdp.rules.parse import parse_rule
from cdp.rules.scope import Scope
from profiles.models import IdentifierKind
from tests.factories.profiles import IdentifierFactory, ProfileFactory
from tests.matching import matching, where_of

pytestmark = pytest.mark.django_db

PHONE = {"op": "identifier", "kind": "phone"}


def test_those_who_have_one_and_the_complement(now):
    phone = IdentifierFactory(kind_key="phone", value="+8613800138000").profile_id
    mail = IdentifierFactory(kind_key="email", value="a@example.com").profile_id
    nothing = ProfileFactory().pk

    assert matching(PHONE, now) == {phone}
    assert matching({"not": PHONE}, now) == {mail, nothing}
    assert matching(PHONE, now, Scope([mail])) == set()


def test_sql(now):
    kind = IdentifierKind.objects.get(key="phone")

    assert where_of(PHONE, now, Scope([7])) == (
        "((id = ANY('{7}'::bigint[])) AND EXISTS(SELECT 1 AS a FROM profiles_identifier U0 "
        f"WHERE ((U0.profile_id = ANY('{{7}}'::bigint[])) AND U0.kind_id = {kind.pk} AND U0.profile_id = (id)) "
        "LIMIT 1))"
    )


def test_a_kind_must_be_there():
    with pytest.raises(RuleError) as refused:
        parse_rule({"op": "identifier", "kind": "nope"})

    assert refused.value.problems == [Problem("kind", "there is no kind of identifier 'nope'")]


def test_the_sentence_and_the_topic():
    rule = parse_rule(PHONE)

    assert rule.topics() == {"identifier:phone"}
    assert describe_rule(rule) == "has an identifier of the kind “Phone”"
    with override("zh-hans"):
        assert describe_rule(rule) == "有“手机”标识符"
