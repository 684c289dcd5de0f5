"""What depends on what."""

from itertools import pairwise

import pytest

from cdp.rules.errors import RuleError
from cdp.rules.topics import topics_of
from profiles.refresh.graph import DependencyCycle, Graph, check_acyclic, in_order, used_by
from tests.factories.segments import SegmentFactory, TierSchemeFactory, lives_in
from tests.factories.tags import TagFactory

pytestmark = pytest.mark.django_db


def test_each_comes_after_what_it_depends_on():
    SegmentFactory(key="a", rule={"op": "segment", "key": "b"})
    SegmentFactory(key="b", rule={"op": "tag", "key": "c"})
    TagFactory(key="c", kind="rule", rule=lives_in("Oslo"))
    TierSchemeFactory(key="d", tiers={"gold": {"op": "segment", "key": "a"}, "basic": None})

    graph = Graph.load()

    assert list(graph.holders) == ["tag:c", "segment:b", "segment:a", "tier:d"]
    assert graph.downstream(["segment:b"]) == ["segment:b", "segment:a", "tier:d"]
    assert graph.concerned("attribute:city") == ["tag:c"]
    assert graph.concerned("created") == graph.concerned("merge") == list(graph.holders)
    assert [holder.key for holder in used_by("segment:a")] == ["tier:d"]


def test_circle_names_its_path_in_the_direction_of_the_rules():
    with pytest.raises(DependencyCycle) as error:
        in_order({"a": frozenset({"b"}), "b": frozenset({"c"}), "c": frozenset({"a"}), "d": frozenset()})

    path = error.value.path
    assert path[0] == path[-1]
    assert set(pairwise(path)) == {("a", "b"), ("b", "c"), ("c", "a")}
    assert " → ".join(path) in str(error.value)


def test_candidate_is_checked_with_its_new_rules():
    SegmentFactory(key="a", rule=lives_in("Oslo"))
    SegmentFactory(key="b", rule={"op": "segment", "key": "a"})

    check_acyclic("segment:b", frozenset({"segment:a"}))
    with pytest.raises(DependencyCycle):
        check_acyclic("segment:a", frozenset({"segment:b"}))


def test_tags_by_hand_are_no_holders():
    TagFactory(key="vip")

    assert Graph.load().holders == {}


def test_broken_rule_has_no_topics_and_stops_no_other():
    SegmentFactory(key="broken", rule={"op": "juggle"})
    SegmentFactory(key="fine")

    assert Graph.load().inputs == {"segment:broken": frozenset(), "segment:fine": frozenset({"attribute:city"})}
    with pytest.raises(RuleError):
        topics_of({"op": "juggle"})
