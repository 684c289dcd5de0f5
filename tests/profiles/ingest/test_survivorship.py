"""What each survivorship keeps and chooses: in any order, and of the same twice the same."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.ingest.survivorship import (
    MAX_ITEMS,
    POLICIES,
    Candidate,
    Said,
    fitting_survivorships,
    kept_by,
)
from profiles.models import Survivorship
from tests.factories.profiles import AttributeDefinitionFactory, SourceFactory
from tests.profiles.ingest.messages import identify, profile_of, send

START = datetime(2026, 3, 1, tzinfo=UTC)
TILL, SHOP = 1, 2  # ids of sources; the till has the higher rank
RANKS = {TILL: 200, SHOP: 100}


def said(at, value, id_="m", *, fits=True):
    return Said(START + timedelta(minutes=at), id_, value, fits)


def chosen(key, by_source):
    """What the policy chooses of the values that each source said."""
    policy = POLICIES[key]("text")
    candidates = []
    for source, sayings in by_source.items():
        kept = None
        for each in sayings:
            kept = policy.keep(kept, each)
        if kept is not None:
            candidates.append(Candidate(kept, RANKS[source], source))
    return policy.choose(candidates) if candidates else None


@pytest.mark.parametrize(
    ("key", "by_source", "value"),
    [
        ("first", {SHOP: [said(2, "b"), said(1, "a")]}, "a"),
        ("first", {SHOP: [said(1, "a", "m1"), said(1, "b", "m2")]}, "b"),
        ("first", {SHOP: [said(1, "a", "m9")], TILL: [said(1, "b", "m1")]}, "b"),
        ("first", {SHOP: [said(0, None)], TILL: [said(1, "b")]}, None),
        ("first", {SHOP: [said(0, "?", fits=False), said(1, "b")]}, "b"),
        ("max", {SHOP: [said(1, 3), said(2, 1)], TILL: [said(0, 2.5)]}, 3),
        ("max", {SHOP: [said(1, 3), said(2, None)]}, 3),
        ("max", {SHOP: [said(1, None)]}, None),
        ("max", {SHOP: [said(1, "2025-12-31"), said(2, "2025-02-01")]}, "2025-12-31"),
        ("min", {SHOP: [said(1, 3), said(2, -1)], TILL: [said(0, 2.5)]}, -1),
        ("union", {SHOP: [said(1, ["b", 1]), said(2, ["a", 1.0])], TILL: [said(0, ["1"])]}, ["1", "a", "b", 1]),
        ("union", {SHOP: [said(1, ["b"]), said(2, None)]}, ["b"]),
        ("union", {SHOP: [said(1, [])]}, None),
        ("union", {SHOP: [said(1, ["x" * 201, "x" * 200])]}, ["x" * 200]),
    ],
)  # fmt: skip
def test_a_policy_chooses(key, by_source, value):
    assert chosen(key, by_source) == value


def test_a_union_forgets_what_was_said_longest_ago():
    sayings = [said(n, [f"item {n:03}"]) for n in range(MAX_ITEMS + 2)]

    kept = chosen("union", {SHOP: [*sayings, said(900, ["item 000"])]})

    assert len(kept) == MAX_ITEMS
    assert "item 000" in kept
    assert {"item 001", "item 002"}.isdisjoint(kept)


items = st.lists(st.sampled_from(["a", "b", 1, 1.5, True]), max_size=3)
values = {
    "first": st.text(max_size=2) | st.none(),
    "max": st.integers() | st.none(),
    "min": st.floats(0, 9),
    "union": items,
}


@pytest.mark.parametrize("key", list(values))
@given(st.data())
def test_order_and_repetition_do_not_matter(key, data):
    policy = POLICIES[key]("text")
    given_ = data.draw(st.lists(st.tuples(st.integers(0, 4), values[key], st.sampled_from("xyz")), max_size=8))
    sayings = {(at, id_): said(at, value, id_) for at, value, id_ in given_}.values()

    def keep(order):
        kept = None
        for each in order:
            kept = policy.keep(kept, each)
        return kept

    shuffled = data.draw(st.permutations([*sayings, *sayings]))
    half = len(shuffled) // 2
    assert keep(shuffled) == keep(sayings)
    assert policy.joined(keep(shuffled[:half]), keep(shuffled[half:])) == keep(sayings)


def test_what_was_kept_for_another_policy_or_type_is_not_taken_for_ours():
    smallest = POLICIES["min"]("number").of(said(0, 1))
    greatest = POLICIES["max"]("number")

    assert kept_by(greatest, smallest, said(5, 3)) == {"by": "max:number", "value": 3}
    assert kept_by(greatest, {"by": "max:date", "value": "2026-01-01"}, said(5, "3")) == {
        "by": "max:number",
        "value": 3,
    }
    assert kept_by(greatest, smallest, said(5, "?")) is None


def test_which_policy_fits_which_type():
    either = [Survivorship.MOST_RECENT, Survivorship.FIRST, Survivorship.SOURCE_RANK]

    assert fitting_survivorships("text") == fitting_survivorships("boolean") == either
    assert fitting_survivorships("number") == [*either, Survivorship.MAX, Survivorship.MIN]
    assert fitting_survivorships("date") == fitting_survivorships("datetime") == fitting_survivorships("number")
    assert fitting_survivorships("list") == [*either, Survivorship.UNION]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("survivorship", "type_", "written", "value"),
    [
        ("first", "text", ["Rome", "Oslo"], "Rome"),
        ("max", "number", ["7", 9, 8], 9),
        ("min", "date", ["2026/1/3", "2025-12-31", "soon"], "2025-12-31"),
        ("union", "list", [["a"], "b", None], ["a", "b"]),
    ],
)
def test_the_golden_record_holds_what_survives(survivorship, type_, written, value):
    AttributeDefinitionFactory(key="thing", type=type_, survivorship=survivorship)
    source = SourceFactory()

    for at, each in enumerate(written):
        send(source, identify(user="u1", at=at, thing=each))
    in_batches = profile_of("user_id", "u1").attributes
    send(source, *(identify(user="u2", at=at, thing=each) for at, each in enumerate(written)))

    assert in_batches == profile_of("user_id", "u2").attributes == {"thing": value}
