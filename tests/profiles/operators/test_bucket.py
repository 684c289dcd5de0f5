"""The operator `bucket`: a share drawn by chance, the same for ever."""

from itertools import pairwise
from uuid import UUID

import pytest
from django.utils.translation import override

from cdp.rules.describe import describe_rule
from cdp.rules.errors import Problem, RuleError
from cdp.rules.parse import parse_rule
from profiles.models import Profile
from profiles.operators.bucket import N_PLACES, first_place
from tests.factories.profiles import ProfileFactory
from tests.matching import matching, where_of

pytestmark = pytest.mark.django_db


def share(low, high, salt="spring"):
    return {"op": "bucket", "salt": salt, "from": low, "to": high}


@pytest.fixture
def crowd():
    """Ids of 400 people whose public ids are always the same."""
    people = (ProfileFactory.build(public_id=UUID(int=n)) for n in range(400))
    return [profile.pk for profile in Profile.objects.bulk_create(people)]


def test_shares_that_meet_have_everybody_once(crowd, now):
    edges = [0, 12.5, 33.3, 33.4, 99.9, 100]
    shares = [matching(share(low, high), now) for low, high in pairwise(edges)]

    assert sum(map(len, shares)) == 400
    assert set.union(*shares) == set(crowd)
    assert matching({"not": share(0, 12.5)}, now) == set(crowd) - shares[0]


def test_a_share_is_about_as_large_as_it_says_and_draws_have_nothing_to_do_with_each_other(crowd, now):
    spring, autumn = (matching(share(0, 50, salt), now) for salt in ("spring", "autumn"))

    # Five standard deviations, of 10 and of 8.7 people.
    assert 150 < len(spring) < 250
    assert 150 < len(autumn) < 250
    assert 56 < len(spring & autumn) < 144


def test_a_place_is_known_from_outside(now):
    """md5("spring:00000000-0000-0000-0000-000000000001") starts with 5ddc5db5, which is 36.6643…%."""
    person = ProfileFactory(public_id=UUID(int=1))

    assert matching(share(36.66, 36.67), now) == {person.pk}
    assert matching(share(36.67, 100), now) == set()


def test_edges_are_exact():
    assert first_place(0) == 0
    assert first_place(100) == N_PLACES
    assert first_place(12.5) == N_PLACES // 8
    assert first_place(0.1) == 4_294_968  # 4,294,967.296 places lie below


def test_sql(now):
    assert where_of(share(0, 12.5, salt="it's 100%"), now) == (
        "((('x' || left(md5('it''s 100%:' || (public_id)::text), 8))::bit(32)::bigint >= 0) "
        "AND (('x' || left(md5('it''s 100%:' || (public_id)::text), 8))::bit(32)::bigint < 536870912))"
    )


@pytest.mark.parametrize(
    ("params", "path", "message"),
    [
        ({"from": 50, "to": 50}, "to", "must be greater than from"),
        ({"from": -1}, "from", "must be from 0 to 100"),
        ({"to": 100.1}, "to", "must be from 0 to 100"),
        ({"to": True}, "to", "must be a number"),
        ({"to": float("nan")}, "to", "must be a finite number of at most 100 digits"),
        ({"salt": ""}, "salt", "must have 1 to 200 characters"),
    ],
)
def test_what_is_no_share(params, path, message):
    with pytest.raises(RuleError) as refused:
        parse_rule(share(0, 10) | params)

    assert refused.value.problems == [Problem(path, message)]


def test_the_sentence_and_no_topics():
    rule = parse_rule(share(0, 12.5))

    assert rule.topics() == frozenset()
    assert describe_rule(rule) == "is in the share from 0 % to 12.5 % of the draw “spring”"
    with override("zh-hans"):
        assert describe_rule(rule) == "属于随机分组“spring”的 0% 到 12.5%"
