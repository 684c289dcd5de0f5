"""Portraits: exact numbers, and rules that find exactly the people who were counted."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cdp.rules.compile import compile_rule
from cdp.rules.parse import parse_rule
from cdp.rules.scope import EVERYBODY
from profiles.dimensions import HiddenDimension, UnknownDimension, find_dimension
from profiles.masking import MASK, SEES_ALL, Masking
from profiles.models import AttributeDefinition, Profile
from segments.models import TierScheme
from segments.services.portrait import break_down
from tests.factories.profiles import SEEN_AT, AttributeDefinitionFactory, IdentifierFactory, ProfileFactory
from tests.factories.segments import MembershipFactory, SegmentFactory, TierSchemeFactory, TierStandingFactory
from tests.factories.tags import ScoreFactory, TagAssignmentFactory, TagFactory, TagValueFactory

NOW = datetime(2026, 6, 1, tzinfo=UTC)
pytestmark = pytest.mark.django_db


@pytest.fixture
def segment():
    return SegmentFactory(key="loyal")


def person(segment=None, other=None, **attributes):
    profile = ProfileFactory(attributes=attributes)
    for each in filter(None, (segment, other)):
        MembershipFactory(segment=each, profile=profile)
    return profile


def portrait(segment, by, masking=SEES_ALL, **options):
    return break_down(segment, find_dimension(by, masking), now=NOW, **options)


def numbers(found):
    return [(bucket.label, *bucket.counts) for bucket in found.buckets]


def n_found(rule):
    return Profile.objects.current().filter(compile_rule(parse_rule(rule), scope=EVERYBODY, now=NOW)).count()


def assert_rules_find_whom_is_counted(found, but=()):
    """Every number opens exactly the people that it counts."""
    for bucket in found.buckets:
        for of in ("everybody", "inside", *(["compared"] if found.compared else [])):
            rule = found.people(bucket, of)
            assert (rule is None) == (bucket.label in but)
            assert rule is None or n_found(rule) == getattr(bucket.counts, of), (bucket.label, of)


def test_shares_and_index_of_a_text(segment):
    other = SegmentFactory()
    for city, n_inside, n_outside in [("Oslo", 3, 1), ("Rome", 1, 3)]:
        for n in range(n_inside + n_outside):
            person(segment if n < n_inside else None, other if city == "Rome" else None, city=city)
    person(segment)
    person(city=["no", "text"])

    found = portrait(segment, "attribute:city", compared=other)

    assert found.total == (10, 5, 4)
    assert numbers(found) == [("Oslo", 4, 3, 0), ("Rome", 4, 1, 4), ("Missing", 2, 1, 0)]
    assert [found.percent(bucket.counts, "inside") for bucket in found.buckets] == [60.0, 20.0, 20.0]
    assert [found.index(bucket.counts, "inside") for bucket in found.buckets] == [150.0, 50.0, 100.0]
    assert [found.index(bucket.counts, "compared") for bucket in found.buckets] == [0.0, 250.0, 0.0]
    assert_rules_find_whom_is_counted(found)


def test_rare_values_are_counted_together(segment):
    for n, city in enumerate(["a", "b", "c", "d"]):
        for _each in range(4 - n):
            person(segment, city=city)
    person(city="d")

    found = portrait(segment, "attribute:city", top=2)

    assert numbers(found) == [("a", 4, 4, 0), ("b", 3, 3, 0), ("Other", 4, 3, 0)]
    assert_rules_find_whom_is_counted(found)


def test_who_was_merged_or_erased_is_not_counted(segment):
    kept = person(segment, city="Oslo")
    ProfileFactory(attributes={"city": "Oslo"}, merged_into=kept)
    ProfileFactory(attributes={"city": "Oslo"}, erased_at=NOW)

    assert numbers(portrait(segment, "attribute:city")) == [("Oslo", 1, 1, 0)]


def test_known_people_alone(segment):
    IdentifierFactory(profile=person(segment, city="Oslo"), kind_key="email", value="a@example.com")
    IdentifierFactory(profile=person(segment, city="Oslo"), kind_key="anonymous_id", value="a-1")
    person(city="Rome")

    found = portrait(segment, "attribute:city", is_known_only=True)

    assert found.total == (1, 1, 0)
    assert numbers(found) == [("Oslo", 1, 1, 0)]
    assert n_found(found.people(None, "everybody")) == 1
    assert_rules_find_whom_is_counted(found)
    assert numbers(portrait(segment, "attribute:is_known")) == [("Yes", 1, 1, 0), ("No", 2, 1, 0)]


def test_few_numbers_are_named_each_and_many_come_in_ranges(segment):
    AttributeDefinitionFactory(key="children", type="number")
    AttributeDefinitionFactory(key="spent", type="number")
    for n in range(120):
        person(segment if n % 2 else None, children=n % 3, spent=n * 2.5)
    person(segment, children="two", spent=None)
    person(spent=1_000_000)

    children, spent = portrait(segment, "attribute:children"), portrait(segment, "attribute:spent", top=1)

    assert numbers(children) == [("0", 40, 20, 0), ("1", 40, 20, 0), ("2", 40, 20, 0), ("Missing", 2, 1, 0)]
    assert_rules_find_whom_is_counted(children)
    assert numbers(spent) == [
        ("0 to under 50", 20, 10, 0),
        ("50 to under 100", 20, 10, 0),
        ("100 to under 150", 20, 10, 0),
        ("150 to under 200", 20, 10, 0),
        ("200 to under 250", 20, 10, 0),
        ("250 to under 300", 20, 10, 0),
        ("300 and more", 1, 0, 0),
        ("Missing", 1, 1, 0),
    ]
    assert_rules_find_whom_is_counted(spent)


def test_days_come_in_ranges(segment):
    for n in range(30):
        person(segment if n % 3 == 0 else None, birthday=f"{1970 + n}-07-01")
    person(segment)

    found = portrait(segment, "attribute:birthday")

    assert numbers(found) == [
        ("1970 – 1974", 5, 2, 0),
        ("1975 – 1979", 5, 2, 0),
        ("1980 – 1984", 5, 1, 0),
        ("1985 – 1989", 5, 2, 0),
        ("1990 – 1994", 5, 2, 0),
        ("1995 – 1999", 5, 1, 0),
        ("Missing", 1, 1, 0),
    ]
    assert_rules_find_whom_is_counted(found)


def test_times_come_in_ranges_of_business_days(segment):
    AttributeDefinitionFactory(key="trial", type="datetime")
    for hour in range(0, 96, 8):
        start = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(hours=hour)
        person(segment if hour % 16 else None, trial=start.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))

    found, seen = portrait(segment, "attribute:trial"), portrait(segment, "attribute:first_seen_at")

    # Midnight in Shanghai is 16:00 in UTC.
    assert numbers(found) == [
        ("2026-03-01", 2, 1, 0),
        ("2026-03-02", 3, 1, 0),
        ("2026-03-03", 3, 2, 0),
        ("2026-03-04", 3, 1, 0),
        ("2026-03-05", 1, 1, 0),
    ]
    assert_rules_find_whom_is_counted(found)
    assert [bucket.counts.everybody for bucket in seen.buckets] == [12]
    assert SEEN_AT.strftime("%Y-%m") in seen.buckets[0].label
    assert_rules_find_whom_is_counted(seen)


@pytest.mark.parametrize(
    ("at", "label"),
    [("9999-12-31T23:59:59.000000Z", "from 9999-12-31 on"), ("0001-01-01T00:00:00.000000Z", "0001-01-01")],
)
def test_times_at_the_ends_of_the_calendar_come_in_ranges_too(segment, at, label):
    AttributeDefinitionFactory(key="ends", type="datetime")
    person(segment, ends=at)

    assert numbers(portrait(segment, "attribute:ends")) == [(label, 1, 1, 0)]


def test_each_element_of_a_list_counts(segment):
    AttributeDefinitionFactory(key="likes", type="list")
    person(segment, likes=["tea", "rice", "tea"])
    person(segment, likes=["tea", 1])
    person(likes=["1"])
    person(likes=[])
    person()

    found = portrait(segment, "attribute:likes", top=1)

    assert found.total == (5, 2, 0)
    assert numbers(found) == [("tea", 2, 2, 0), ("Other", 4, 2, 0), ("Missing", 1, 0, 0)]
    assert_rules_find_whom_is_counted(found, but=["Other"])
    assert_rules_find_whom_is_counted(portrait(segment, "attribute:likes"), but=["(empty)"])


def test_yes_and_no(segment):
    AttributeDefinitionFactory(key="newsletter", type="boolean")
    person(segment, newsletter=True)
    person(newsletter="yes")

    found = portrait(segment, "attribute:newsletter")

    assert numbers(found) == [("Yes", 1, 1, 0), ("No", 0, 0, 0), ("Missing", 1, 0, 0)]
    assert_rules_find_whom_is_counted(found)


def test_tags_by_value_and_without(segment):
    card = TagFactory(key="card", name="Card")
    gold, _silver = [TagValueFactory(tag=card, key=key) for key in ("gold", "silver")]
    vip = TagFactory(key="vip")
    ann, bob = person(segment), person()
    TagAssignmentFactory(tag=card, profile=ann, value=gold)
    TagAssignmentFactory(tag=card, profile=bob, value=None)
    TagAssignmentFactory(tag=card, profile=person(), value=gold, expires_at=NOW)
    TagAssignmentFactory(tag=vip, profile=ann)

    by_value, plain = portrait(segment, "tag:card"), portrait(segment, "tag:vip")

    assert numbers(by_value) == [
        ("Gold", 1, 1, 0),
        ("Silver", 0, 0, 0),
        ("Without a value", 1, 0, 0),
        ("Missing", 1, 0, 0),
    ]
    assert_rules_find_whom_is_counted(by_value)
    assert numbers(plain) == [("With the tag", 1, 1, 0), ("Missing", 2, 0, 0)]
    assert_rules_find_whom_is_counted(plain)


def test_the_others_of_a_tag_are_not_those_without_a_value(segment, monkeypatch):
    monkeypatch.setattr("segments.services.portrait.MOST_TOP", 2)
    card = TagFactory(key="card")
    gold, silver, bronze = [TagValueFactory(tag=card, key=key) for key in ("gold", "silver", "bronze")]
    for value in (None, None, None, gold, gold, silver, bronze):
        TagAssignmentFactory(tag=card, profile=person(segment), value=value)

    found = portrait(segment, "tag:card", top=1)

    assert numbers(found) == [("Gold", 2, 2, 0), ("Without a value", 3, 3, 0), ("Other", 2, 2, 0)]
    assert_rules_find_whom_is_counted(found)


def test_tiers_from_the_highest(segment):
    TierSchemeFactory(key="club", tiers={"gold": None, "silver": None, "basic": None})
    tiers = {tier.key: tier for tier in TierScheme.objects.get().tiers.all()}
    TierStandingFactory(tier=tiers["basic"], profile=person(segment))
    TierStandingFactory(tier=tiers["basic"], profile=person())
    TierStandingFactory(tier=tiers["gold"], profile=person(segment))
    person()

    found = portrait(segment, "tier:club")

    assert numbers(found) == [("Gold", 1, 1, 0), ("Silver", 0, 0, 0), ("Basic", 2, 1, 0), ("Missing", 1, 0, 0)]
    assert_rules_find_whom_is_counted(found)


def test_scores_by_their_names_and_numbers(segment):
    ScoreFactory(profile=person(segment))
    ScoreFactory(profile=person(), values={"class": "000", "r": 1})
    person()

    classes, r = portrait(segment, "score:rfm.class"), portrait(segment, "score:rfm.r")

    assert [row for row in numbers(classes) if row[1]] == [
        ("Important value", 1, 1, 0),
        ("General win-back", 1, 0, 0),
        ("Missing", 1, 0, 0),
    ]
    assert len(classes.buckets) == 9
    assert_rules_find_whom_is_counted(classes)
    assert numbers(r) == [("1", 1, 0, 0), ("5", 1, 1, 0), ("Missing", 1, 0, 0)]
    assert_rules_find_whom_is_counted(r)


def test_nobody_anywhere(segment):
    found = portrait(segment, "attribute:city")

    assert (found.total, found.buckets) == ((0, 0, 0), [])
    assert portrait(segment, "attribute:birthday").buckets == []


def test_an_empty_segment_has_no_index(segment):
    person(city="Oslo")

    found = portrait(segment, "attribute:city")

    assert [found.index(bucket.counts, "inside") for bucket in found.buckets] == [None]


def test_no_rule_speaks_of_an_archived_segment(segment):
    segment.archived_at = NOW
    segment.save()
    person(segment, city="Oslo")

    found = portrait(segment, "attribute:city")

    assert found.people(found.buckets[0], "inside") is None
    assert n_found(found.people(found.buckets[0], "everybody")) == 1


def test_personal_attributes_are_refused_and_personal_text_in_others_hidden(segment):
    person(segment, city="ann@example.com")
    person(city="Oslo")
    person(city="Oslo")
    blind = Masking(sees_all=False, open_attributes=frozenset({"city"}))

    found = portrait(segment, "attribute:city", masking=blind)

    assert [(bucket.label, bucket.rule is None) for bucket in found.buckets] == [("Oslo", False), (MASK, True)]
    assert portrait(segment, "attribute:city", masking=blind, top=1).buckets[1].rule is not None
    for key in ("email", "unheard of"):
        with pytest.raises(HiddenDimension):
            find_dimension(f"attribute:{key}", blind)


@pytest.mark.parametrize(
    "by",
    ["city", "shoe:city", "attribute:shoe", "tag:shoe", "tier:shoe", "score:shoe.r", "score:rfm.shoe", "score:rfm"],
)
def test_what_is_unknown_is_refused(by):
    with pytest.raises(UnknownDimension):
        find_dimension(by, SEES_ALL)


@pytest.mark.parametrize("by", ["attribute:city", "attribute:spent", "attribute:birthday"])
def test_the_number_of_queries_is_fixed(segment, by):
    AttributeDefinition.objects.get_or_create(key="spent", defaults={"type": "number"})
    n_queries = []
    for n in (1, 20):
        for _each in range(n):
            person(segment, city=f"c{n}", spent=n * 1.5, birthday="1990-01-01")
        with CaptureQueriesContext(
            connection,
        ) as queries:
            portrait(segment, by)
        n_queries.append(len(queries))

    assert n_queries[0] == n_queries[1] <= 8
