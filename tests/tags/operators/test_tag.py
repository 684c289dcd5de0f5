"""The operator `tag`: carried, not expired, with a value."""

from datetime import timedelta

import pytest

from cdp.rules.describe import describe_rule
from cdp.rules.parse import parse_rule
from cdp.rules.scope import Scope
from tests.factories.tags import TagAssignmentFactory, TagFactory, TagValueFactory
from tests.matching import matching, where_of

pytestmark = pytest.mark.django_db


def test_an_expired_tag_does_not_match(now):
    tag = TagFactory(key="vip")
    TagAssignmentFactory(tag=tag, expires_at=now)
    live = TagAssignmentFactory(tag=tag, expires_at=now + timedelta(microseconds=1))
    endless = TagAssignmentFactory(tag=tag)

    assert matching({"op": "tag", "key": "vip"}, now) == {live.profile_id, endless.profile_id}


def test_one_of_some_values(now):
    card = TagFactory(key="card", name="Card")
    gold, blue, grey = (TagValueFactory(tag=card, key=key, name=key.title()) for key in ("gold", "blue", "grey"))
    carriers = {value.key: TagAssignmentFactory(tag=card, value=value).profile_id for value in (gold, blue, grey)}
    TagAssignmentFactory(tag=card)
    rule = {"op": "tag", "key": "card", "value": ["gold", "blue"]}

    assert matching(rule, now) == {carriers["gold"], carriers["blue"]}
    assert describe_rule(parse_rule(rule)) == "has the tag “Card” with the value Gold, Blue"
    assert parse_rule(rule).topics() == {"tag:card"}


def test_sql(now):
    tag = TagFactory(key="vip")

    assert where_of({"op": "tag", "key": "vip"}, now, Scope([7])) == (
        "((id = ANY('{7}'::bigint[])) AND EXISTS(SELECT 1 AS a FROM tags_tagassignment U0 "
        "WHERE ((U0.expires_at IS NULL OR U0.expires_at > '2026-06-15 04:00:00+00:00'::timestamptz) "
        f"AND (U0.profile_id = ANY('{{7}}'::bigint[])) AND U0.profile_id = (id) AND U0.tag_id = {tag.pk}) LIMIT 1))"
    )
