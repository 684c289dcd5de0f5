"""The operator `tier`: where somebody stands as of the last refresh."""

import pytest
from django.utils.translation import override

from cdp.rules.describe import describe_rule
from cdp.rules.errors import Problem, RuleError
from cdp.rules.parse import parse_rule
from cdp.rules.scope import Scope
from profiles.refresh.graph import DependencyCycle
from profiles.refresh.saving import StillUsed
from segments.models import Segment, TierScheme
from segments.services.segment import save_segment
from segments.services.tier import delete_tier_scheme, save_tier_scheme
from tests.factories.profiles import ProfileFactory
from tests.factories.segments import SegmentFactory, TierSchemeFactory, TierStandingFactory, lives_in
from tests.matching import matching, where_of

pytestmark = pytest.mark.django_db


def in_tiers(*keys):
    return {"op": "tier", "scheme": "club", "in": list(keys)}


@pytest.fixture
def tiers():
    """The tiers of the scheme `club`: {key: tier}."""
    scheme = TierSchemeFactory(
        key="club", name="Club", tiers={"gold": lives_in("Oslo"), "silver": lives_in("Rome"), "basic": None}
    )
    return {tier.key: tier for tier in scheme.tiers.all()}


def test_those_who_stand_in_one_of_them_and_the_complement(tiers, now):
    gold, silver, basic = (TierStandingFactory(tier=tier).profile_id for tier in tiers.values())
    nowhere = ProfileFactory().pk

    assert matching(in_tiers("gold", "basic"), now) == {gold, basic}
    assert matching({"not": in_tiers("gold", "basic")}, now) == {silver, nowhere}
    assert matching(in_tiers("gold", "basic"), now, Scope([gold, silver])) == {gold}


def test_sql(tiers, now):
    assert where_of(in_tiers("silver", "gold"), now, Scope([7])) == (
        "((id = ANY('{7}'::bigint[])) AND EXISTS(SELECT 1 AS a FROM segments_tierstanding U0 "
        "WHERE ((U0.profile_id = ANY('{7}'::bigint[])) AND U0.profile_id = (id) "
        f"AND U0.tier_id IN ({tiers['gold'].pk}, {tiers['silver'].pk})) LIMIT 1))"
    )


def test_a_scheme_and_tiers_must_be_there(tiers):
    with pytest.raises(RuleError) as refused:
        parse_rule({"any": [{"op": "tier", "scheme": "nope", "in": ["gold"]}, in_tiers("gold", "bronze")]})

    assert refused.value.problems == [
        Problem("any[0].scheme", "there is no tier scheme 'nope'"),
        Problem("any[1].in[1]", "the tier scheme club has no tier 'bronze'; known: gold, silver, basic"),
    ]


def test_the_sentence_and_the_topic(tiers):
    rule = parse_rule(in_tiers("gold", "basic"))

    assert rule.topics() == {"tier:club"}
    assert describe_rule(rule) == "is in the tier “Gold” or “Basic” of “Club”"
    with override("zh-hans"):
        assert describe_rule(rule) == "处于“Club”的“Gold”或“Basic”等级"


def test_a_scheme_cannot_speak_of_its_own_tiers(tiers):
    scheme = TierScheme.objects.get(key="club")
    tiers["gold"].entry = in_tiers("silver")

    with pytest.raises(DependencyCycle, match=r"Club \(tier:club\) → Club \(tier:club\)") as refused:
        save_tier_scheme(scheme, tiers=list(tiers.values()))

    (problem,) = refused.value.problems
    assert problem.path == f"{problem.field}.scheme" == "tiers[0].entry.scheme"

    assert scheme.tiers.get(key="gold").entry == lives_in("Oslo")


def test_a_scheme_that_a_rule_speaks_of_stays(tiers):
    SegmentFactory(key="best", name="The best", rule=in_tiers("gold"))

    with pytest.raises(StillUsed, match="The best"):
        delete_tier_scheme(TierScheme.objects.get(key="club"))


def test_a_tier_that_a_rule_speaks_of_stays(tiers):
    save_segment(Segment(key="best", name="The best", rule=in_tiers("silver")))
    scheme = TierScheme.objects.get(key="club")

    with pytest.raises(StillUsed, match=r"“Silver” is still used by: The best\."):
        save_tier_scheme(scheme, tiers=[tiers["gold"], tiers["basic"]])

    assert [tier.key for tier in scheme.tiers.all()] == ["gold", "silver", "basic"]
