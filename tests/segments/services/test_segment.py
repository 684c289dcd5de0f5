"""Saving and deleting segments."""

import pytest
from django.core.exceptions import ValidationError

from cdp.models import Run
from cdp.rules.errors import RuleError
from profiles.refresh.graph import DependencyCycle
from profiles.refresh.saving import StillUsed, VersionConflict
from segments.models import Segment
from segments.services import delete_segment, save_segment
from tests.factories.campaigns import CampaignFactory
from tests.factories.cdp import UserFactory
from tests.factories.segments import SegmentFactory, lives_in
from tests.factories.tags import TagFactory

pytestmark = pytest.mark.django_db


def inside(segment: Segment) -> dict[str, str]:
    return {"op": "segment", "key": segment.key}


def test_new_segment_is_written_and_refreshed():
    user = UserFactory()

    run = save_segment(Segment(key="loyal", name="Loyal", rule=lives_in("Oslo")), user=user)

    assert Segment.objects.get().rule_version == 1
    assert (run.kind, run.subject, run.user) == ("refresh", "segment:loyal", user)


def test_of_one_that_was_read_before_another_saved_it_the_changed_fields_are_saved():
    segment = SegmentFactory(rule=lives_in("Oslo"))
    Segment.objects.update(description="Ours", rule=lives_in("Rome"), rule_version=2)
    segment.name = "Mine"

    assert save_segment(segment, changed=["name"]) is None

    stored = Segment.objects.values_list("name", "description", "rule", "rule_version").get()
    assert stored == ("Mine", "Ours", lives_in("Rome"), 2)


def test_new_rule_gets_a_new_version_and_a_refresh():
    segment = SegmentFactory()
    Segment.objects.update(n_members=7)
    segment.rule = lives_in("Rome")

    run = save_segment(segment, expected_version=1)

    stored = Segment.objects.get()
    assert (stored.rule, stored.rule_version, stored.n_members) == (lives_in("Rome"), 2, 7)
    assert run.subject == f"segment:{segment.key}"


def test_in_a_rule_true_is_not_1():
    rule = {"op": "event", "name": "Buy", "where": [{"key": "gift", "is": "eq", "value": True}]}
    segment = SegmentFactory(rule=rule)
    segment.rule = {"op": "event", "name": "Buy", "where": [{"key": "gift", "is": "eq", "value": 1}]}

    assert save_segment(segment) is not None

    stored = Segment.objects.get()
    assert (stored.rule["where"][0]["value"] is True, stored.rule_version) == (False, 2)
    segment.rule = dict(reversed(stored.rule.items()))
    assert save_segment(segment) is None


def test_new_name_alone_needs_no_refresh():
    segment = SegmentFactory()
    segment.name = "Those of Oslo"

    assert save_segment(segment) is None

    stored = Segment.objects.get()
    assert (stored.name, stored.rule_version) == ("Those of Oslo", 1)
    assert not Run.objects.exists()


def test_edit_of_an_old_version_is_refused():
    segment = SegmentFactory(rule_version=3)
    segment.rule = lives_in("Rome")

    with pytest.raises(VersionConflict) as conflict:
        save_segment(segment, expected_version=2)

    assert (conflict.value.expected, conflict.value.current) == (2, 3)
    assert Segment.objects.get().rule == lives_in("Oslo")


def test_rule_that_does_not_parse_is_refused_with_its_places():
    rule = {"all": [lives_in("Oslo"), {"op": "juggle"}]}

    with pytest.raises(RuleError) as error:
        save_segment(Segment(key="loyal", name="Loyal", rule=rule))

    assert [problem.path for problem in error.value.problems] == ["all[1].op"]
    assert not Segment.objects.exists()


def test_circle_of_rules_is_refused_with_its_path():
    first = SegmentFactory(key="first")
    tag = TagFactory(key="second", kind="rule", rule=inside(first))
    first.rule = {"not": {"op": "tag", "key": tag.key}}

    with pytest.raises(DependencyCycle) as error:
        save_segment(first)

    assert sorted(error.value.path[1:]) == ["segment:first", "tag:second"]
    assert [problem.path for problem in error.value.problems] == ["not.key"]
    assert f"{first.name} (segment:first) → {tag.name} (tag:second)" in str(error.value)
    assert Segment.objects.get().rule == lives_in("Oslo")


def test_rule_about_itself_is_refused():
    segment = SegmentFactory()
    segment.rule = inside(segment)

    with pytest.raises(DependencyCycle, match=rf"\(segment:{segment.key}\) → .* \(segment:{segment.key}\)"):
        save_segment(segment)


@pytest.mark.parametrize("key", ["preview", "changes"])
def test_keys_of_the_api_are_reserved(key):
    with pytest.raises(ValidationError, match=key):
        save_segment(Segment(key=key, name="Loyal", rule=lives_in("Oslo")))


def test_key_cannot_be_changed():
    segment = SegmentFactory()
    segment.key = "other"

    with pytest.raises(ValidationError, match="cannot be changed"):
        save_segment(segment)


def test_unused_segment_is_deleted():
    delete_segment(SegmentFactory())

    assert not Segment.objects.exists()


def test_segment_that_rules_speak_of_is_kept_and_its_users_are_named():
    segment = SegmentFactory()
    SegmentFactory(name="Nested", rule=inside(segment))
    TagFactory(name="Tagged", kind="rule", rule={"not": inside(segment)})

    with pytest.raises(StillUsed, match="Nested, Tagged"):
        delete_segment(segment)

    assert Segment.objects.count() == 2


def test_segment_of_a_campaign_is_kept():
    segment = SegmentFactory()
    CampaignFactory(segment=segment, name="Spring")

    with pytest.raises(StillUsed, match="Spring"):
        delete_segment(segment)
