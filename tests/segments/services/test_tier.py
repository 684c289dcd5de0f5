"""Saving and deleting tier schemes."""

import pytest
from django.core.exceptions import ValidationError

from cdp.models import Run
from cdp.rules.errors import RuleError
from profiles.refresh.saving import StillUsed, VersionConflict
from segments.models import Tier, TierChange, TierScheme
from segments.services import delete_tier_scheme, save_tier_scheme
from tests.factories.campaigns import CampaignFactory, ContentFactory, DeliveryFactory
from tests.factories.segments import TierChangeFactory, TierSchemeFactory, lives_in

pytestmark = pytest.mark.django_db


def tier(key: str, entry: object = None) -> Tier:
    return Tier(key=key, name=key.title(), entry=entry)


def ladder_of(scheme: TierScheme) -> list[tuple[str, int]]:
    return list(scheme.tiers.order_by("position").values_list("key", "position"))


def test_of_one_that_was_read_before_another_saved_it_the_changed_fields_are_saved():
    scheme = TierSchemeFactory(tiers={"basic": None})
    TierScheme.objects.update(description="Ours")
    scheme.name = "Mine"

    assert save_tier_scheme(scheme, changed=["name"]) is None

    assert TierScheme.objects.values_list("name", "description").get() == ("Mine", "Ours")


def test_new_scheme_is_written_and_refreshed():
    scheme = TierScheme(key="club", name="Club")

    run = save_tier_scheme(scheme, tiers=[tier("gold", lives_in("Oslo")), tier("basic")])

    assert ladder_of(scheme) == [("gold", 0), ("basic", 1)]
    assert run.subject == "tier:club"


def test_tiers_keep_their_ids_when_their_order_changes():
    scheme = TierSchemeFactory(tiers={"gold": lives_in("Oslo"), "silver": lives_in("Rome"), "basic": None})
    ids = dict(scheme.tiers.values_list("key", "pk"))

    save_tier_scheme(scheme, tiers=[tier("silver", lives_in("Rome")), tier("gold", lives_in("Oslo")), tier("basic")])

    assert ladder_of(scheme) == [("silver", 0), ("gold", 1), ("basic", 2)]
    assert dict(scheme.tiers.values_list("key", "pk")) == ids
    assert TierScheme.objects.get().rule_version == 2


def test_tier_that_goes_is_deleted():
    scheme = TierSchemeFactory(tiers={"gold": lives_in("Oslo"), "basic": None})

    assert save_tier_scheme(scheme, tiers=[tier("basic")]) is not None
    assert ladder_of(scheme) == [("basic", 0)]


def test_history_outlives_a_tier_that_goes():
    scheme = TierSchemeFactory(tiers={"gold": lives_in("Oslo"), "basic": None})
    TierChangeFactory(tier=scheme.tiers.get(key="gold"))

    save_tier_scheme(scheme, tiers=[tier("basic")])

    assert list(TierChange.objects.values_list("before", "after")) == [(None, "gold")]


def test_tier_of_a_campaign_cannot_go():
    scheme = TierSchemeFactory(tiers={"gold": lives_in("Oslo"), "basic": None})
    ContentFactory(tier=scheme.tiers.get(key="gold"), campaign__name="Spring")

    with pytest.raises(StillUsed, match="“Gold” is still used by: Spring"):
        save_tier_scheme(scheme, tiers=[tier("basic")])

    assert ladder_of(scheme) == [("gold", 0), ("basic", 1)]


def test_tier_that_many_were_sent_to_names_a_few_campaigns(django_assert_max_num_queries):
    scheme = TierSchemeFactory(key="club", tiers={"gold": lives_in("Oslo"), "basic": None})
    gold = scheme.tiers.get(key="gold")
    for number in range(7):
        campaign = CampaignFactory(name=f"No {number}", tier_scheme=scheme)
        for _person in range(3):
            DeliveryFactory(campaign=campaign, tier=gold)

    with django_assert_max_num_queries(26), pytest.raises(StillUsed) as tier_error:
        save_tier_scheme(scheme, tiers=[tier("basic")])
    with django_assert_max_num_queries(20), pytest.raises(StillUsed) as scheme_error:
        delete_tier_scheme(scheme)

    assert tier_error.value.messages == ["“Gold” is still used by: No 0, No 1, No 2, No 3, No 4, and others."]
    assert scheme_error.value.messages == ["“Club” is still used by: No 0, No 1, No 2, No 3, No 4, and others."]
    assert ladder_of(scheme) == [("gold", 0), ("basic", 1)]


def test_names_alone_need_no_refresh():
    scheme = TierSchemeFactory(tiers={"gold": lives_in("Oslo"), "basic": None})
    tiers = list(scheme.tiers.order_by("position"))
    tiers[0].name = "Au"

    assert save_tier_scheme(scheme, tiers=tiers) is None
    assert Tier.objects.filter(name="Au").exists()
    assert not Run.objects.exists()


def test_all_problems_of_all_tiers_are_told_with_their_places():
    with pytest.raises(RuleError) as error:
        save_tier_scheme(
            TierScheme(key="club", name="Club"),
            tiers=[tier("gold", {"op": "juggle"}), tier("silver", {"all": []}), tier("basic")],
        )

    assert [problem.path for problem in error.value.problems] == ["tiers[0].entry.op", "tiers[1].entry.all"]
    assert not TierScheme.objects.exists()


@pytest.mark.parametrize(
    ("tiers", "message"),
    [
        ([], "at least one tier"),
        ([("gold", None), ("basic", None)], "“Gold” has none"),
        ([("gold", lives_in("Oslo")), ("gold", None)], "must differ"),
    ],
)
def test_ladder_that_makes_no_sense_is_refused(tiers, message):
    with pytest.raises(ValidationError, match=message):
        save_tier_scheme(TierScheme(key="club", name="Club"), tiers=[tier(*given) for given in tiers])

    assert not TierScheme.objects.exists()


def test_edit_of_an_old_version_is_refused():
    scheme = TierSchemeFactory(tiers={"basic": None}, rule_version=2)

    with pytest.raises(VersionConflict):
        save_tier_scheme(scheme, expected_version=1)


def test_scheme_is_deleted_with_its_tiers():
    delete_tier_scheme(TierSchemeFactory(tiers={"basic": None}))

    assert not Tier.objects.exists()
