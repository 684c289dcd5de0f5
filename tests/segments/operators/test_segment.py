"""The operator `segment`: in it as of the last refresh."""

from datetime import timedelta

import pytest

from cdp.rules.describe import describe_rule
from cdp.rules.parse import parse_rule
from tests.factories.profiles import ProfileFactory
from tests.factories.segments import MembershipFactory, SegmentFactory
from tests.matching import matching, where_of

pytestmark = pytest.mark.django_db


def test_members_and_their_complement(now):
    member = MembershipFactory(segment__key="loyal").profile_id
    stranger = ProfileFactory().pk
    rule = {"op": "segment", "key": "loyal"}

    assert matching(rule, now) == {member}
    assert matching({"not": rule}, now) == {stranger}


def test_for_days_are_times_24_hours(now):
    segment = SegmentFactory(key="loyal", name="Loyal")
    long_enough = MembershipFactory(segment=segment, entered_at=now - timedelta(days=7)).profile_id
    MembershipFactory(segment=segment, entered_at=now - timedelta(days=7) + timedelta(microseconds=1))
    rule = {"op": "segment", "key": "loyal", "for_days": 7}

    assert matching(rule, now) == {long_enough}
    assert describe_rule(parse_rule(rule)) == "has been in the segment “Loyal” for at least 7 days"
    assert parse_rule(rule).topics() == {"segment:loyal"}


def test_sql(now):
    segment = SegmentFactory(key="loyal")

    assert where_of({"op": "segment", "key": "loyal", "for_days": 1}, now) == (
        "EXISTS(SELECT 1 AS a FROM segments_membership U0 "
        f"WHERE (U0.profile_id = (id) AND U0.segment_id = {segment.pk} "
        "AND U0.entered_at <= '2026-06-14 04:00:00+00:00'::timestamptz) LIMIT 1)"
    )
