"""Tags from draft to archive."""

from datetime import UTC, datetime

import pytest
from django.core.exceptions import ValidationError

from cdp.models import Run
from cdp.rules.catalogue import Wanted
from cdp.rules.errors import RuleError
from cdp.rules.holders import all_holders
from cdp.rules.parse import parse_rule
from profiles.refresh.saving import StillUsed
from tags.models import Tag, TagValue
from tags.operators.tag import offer_tags
from tags.services import assign_tag, move_tag, save_tag
from tags.services.coverage import coverage_of
from tests.factories.cdp import UserFactory
from tests.factories.profiles import ProfileFactory
from tests.factories.segments import SegmentFactory, lives_in
from tests.factories.tags import TagAssignmentFactory, TagFactory, TagValueFactory

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 6, 15, 4, tzinfo=UTC)
DRAFT, ACTIVE, ARCHIVED = Tag.Lifecycle.DRAFT, Tag.Lifecycle.ACTIVE, Tag.Lifecycle.ARCHIVED
ON_TAG = {"op": "tag", "key": "north"}


def filled():
    return [holder.key for holder in all_holders()]


def test_a_draft_is_filled_once_it_is_active():
    draft = Tag(key="north", name="North", kind="rule", lifecycle=DRAFT, rule=lives_in("Oslo"))

    assert save_tag(draft) is None
    assert filled() == []
    assert move_tag(draft, ACTIVE, user=UserFactory()).subject == "tag:north"
    assert filled() == ["tag:north"]


def test_a_draft_says_whom_it_would_mark():
    tag = TagFactory(kind="rule", lifecycle=DRAFT)
    oslo, other = (
        TagValueFactory(tag=tag, rule=lives_in("Oslo")),
        TagValueFactory(tag=tag, rule={"not": lives_in("Rome")}),
    )
    for city in ("Oslo", "Oslo", "Paris", "Rome"):
        ProfileFactory(attributes={"city": city})

    coverage = coverage_of(tag, now=NOW)

    assert [(each.value, each.n_carriers, each.percent) for each in coverage.values] == [
        (oslo, 2, 66.67),
        (other, 1, 33.33),
    ]
    assert (coverage.n_carriers, coverage.n_profiles, coverage.percent) == (3, 4, 75.0)


def test_coverage_counts_who_carries_it_now():
    tag = TagFactory()
    gold, silver = TagValueFactory(tag=tag), TagValueFactory(tag=tag)
    TagAssignmentFactory(tag=tag, value=gold)
    TagAssignmentFactory(tag=tag, value=gold, expires_at=NOW)
    ProfileFactory()

    coverage = coverage_of(tag, now=NOW)

    assert [(each.value, each.n_carriers) for each in coverage.values] == [(gold, 1), (silver, 0)]
    assert coverage.percent == 33.33


def test_an_archived_tag_is_judged_no_more_and_no_rule_names_it():
    tag = TagFactory(key="north", kind="rule", rule=lives_in("Oslo"))
    row = TagAssignmentFactory(tag=tag)

    move_tag(tag, ARCHIVED, user=UserFactory())

    assert filled() == []
    assert list(tag.assignments.all()) == [row]
    assert offer_tags(Wanted(term="north")) == []
    with pytest.raises(RuleError, match="there is no tag 'north'"):
        parse_rule(ON_TAG)


def test_what_rules_speak_of_is_not_archived():
    tag = TagFactory(key="north")
    SegmentFactory(name="Northerners", rule=ON_TAG)

    with pytest.raises(StillUsed, match="Northerners"):
        move_tag(tag, ARCHIVED, user=UserFactory())

    assert Tag.objects.get().lifecycle == ACTIVE


def test_a_restored_tag_is_refreshed():
    tag = TagFactory(key="north", kind="rule", lifecycle=ARCHIVED, rule=lives_in("Oslo"))

    assert move_tag(tag, ACTIVE, user=UserFactory()).subject == "tag:north"
    assert move_tag(tag, ACTIVE, user=UserFactory()) is None


def test_a_tag_whose_rule_speaks_of_what_is_gone_is_not_restored():
    tag = TagFactory(kind="rule", lifecycle=ARCHIVED, rule={"op": "segment", "key": "gone"})

    with pytest.raises(RuleError, match="gone"):
        move_tag(tag, ACTIVE, user=UserFactory())

    assert Tag.objects.get().lifecycle == ARCHIVED
    assert not Run.objects.exists()


@pytest.mark.parametrize(("before", "after"), [(ACTIVE, DRAFT), (ARCHIVED, DRAFT)])
def test_what_was_in_use_is_no_draft_any_more(before, after):
    tag = TagFactory(lifecycle=before)

    with pytest.raises(ValidationError, match="no draft"):
        move_tag(tag, after, user=UserFactory())

    assert Tag.objects.get().lifecycle == before


def test_an_archived_tag_is_not_edited():
    tag = TagFactory(lifecycle=ARCHIVED)
    tag.name = "Other"

    with pytest.raises(ValidationError, match="restore it first"):
        save_tag(tag, values=[TagValue(key="a", name="A")])

    assert Tag.objects.get().name != "Other"


@pytest.mark.parametrize("lifecycle", [DRAFT, ARCHIVED])
def test_no_hand_assigns_what_is_not_in_use(lifecycle):
    tag = TagFactory(lifecycle=lifecycle)

    with pytest.raises(ValidationError, match="first"):
        assign_tag(tag, [ProfileFactory().pk], now=NOW)

    assert not tag.assignments.exists()
