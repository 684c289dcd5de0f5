"""`rfm`, against a few plain lines of Python."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from profiles.models import Event, EventDefinition
from tags.models import Score
from tags.score_models import score_models
from tags.scoring.rfm import CLASSES
from tags.services import compute_scores
from tests.factories.profiles import EventFactory, IdentifierFactory, ProfileFactory, SourceFactory

NOW = datetime(2026, 6, 15, 4, tzinfo=UTC)

# (profile, event, days before now, value)
Row = tuple[int, str, float, float | None]


def oracle(rows: Sequence[Row]) -> dict[int, dict[str, Any]]:
    """What rfm says of each profile."""
    orders: dict[int, list[float]] = defaultdict(list)
    spent: dict[int, Decimal] = defaultdict(Decimal)
    for profile, event, days_ago, value in rows:
        if days_ago >= 0 and event in ("Order Completed", "Order Refunded"):
            spent[profile] += Decimal(str(value or 0))
            if event == "Order Completed":
                orders[profile].append(days_ago)
    measures: dict[int, dict[str, Any]] = {
        profile: {"recency_days": int(min(days)), "frequency": len(days), "monetary": spent[profile]}
        for profile, days in orders.items()
    }
    better = {
        "recency_days": lambda mine, other: mine < other,
        "frequency": lambda mine, other: mine > other,
        "monetary": lambda mine, other: mine > other,
    }
    said = {}
    for profile, mine in measures.items():
        score: dict[str, Any] = dict(mine)
        high = ""
        for letter, (name, is_better) in zip("rfm", better.items(), strict=True):
            all_values = [other[name] for other in measures.values()]
            n_worse = sum(is_better(mine[name], other) for other in all_values)
            score[letter] = 1 + 5 * n_worse // len(all_values)
            # Without dividing: better than the mean is n times the value against the sum.
            high += str(int(is_better(mine[name] * len(all_values), sum(all_values))))
        said[profile] = {**score, "monetary": float(score["monetary"]), "class": high}
    return said


def scores() -> dict[int, dict[str, Any]]:
    return dict(Score.objects.filter(model="rfm").values_list("profile_id", "values"))


@pytest.mark.django_db
def test_best_and_worst_of_two():
    ann, bob = ProfileFactory(), ProfileFactory()
    for days_ago, value in ((2.5, 100.1), (30, 50.2)):
        order(ann, days_ago=days_ago, value=value)
    EventFactory(profile=ann, definition__name="Order Refunded", occurred_at=NOW - timedelta(days=1), value=-50.2)
    order(bob, days_ago=90, value=20)

    compute_scores("rfm", now=NOW)

    assert scores() == {
        ann.pk: {"recency_days": 2, "frequency": 2, "monetary": 100.1, "r": 3, "f": 3, "m": 3, "class": "111"},
        bob.pk: {"recency_days": 90, "frequency": 1, "monetary": 20, "r": 1, "f": 1, "m": 1, "class": "000"},
    }


def order(profile: Any, *, days_ago: float, value: float | None) -> None:
    EventFactory(
        profile=profile,
        definition__name="Order Completed",
        occurred_at=NOW - timedelta(days=days_ago),
        value=value,
    )


@pytest.mark.django_db
def test_who_never_bought_has_no_score():
    EventFactory(definition__name="Product Viewed", occurred_at=NOW)
    EventFactory(definition__name="Order Refunded", occurred_at=NOW, value=-1)
    order(ProfileFactory(), days_ago=-1, value=5)
    order(ProfileFactory(merged_into=ProfileFactory()), days_ago=1, value=5)

    assert compute_scores("rfm", now=NOW) == 0
    assert scores() == {}


def test_model_says_what_it_is():
    model = score_models()["rfm"]

    assert len(CLASSES) == 8
    assert set(model.fields["class"].choices) == set(CLASSES)
    assert "Fader" in model.source
    assert str(model.formula)


ROWS = st.lists(
    st.tuples(
        st.integers(0, 7),
        st.sampled_from(["Order Completed", "Order Completed", "Order Refunded", "Product Viewed"]),
        st.sampled_from([-0.5, 0, 0.5, 1, 1.5, 3, 40, 400]),
        st.none() | st.integers(-500, 5_000).map(lambda cents: cents / 100),
    ),
    max_size=40,
)


class TestOracle(TestCase):
    """A TestCase, so that each example is rolled back."""

    @settings(max_examples=60, deadline=None)
    @given(rows=ROWS)
    def test_sql_agrees_with_python(self, rows: list[Row]) -> None:
        people = [ProfileFactory().pk for _number in range(8)]
        anchor, source = IdentifierFactory(profile_id=people[0]), SourceFactory()
        ids = {name: EventDefinition.objects.get_or_create(name=name)[0].pk for _person, name, _days, _value in rows}
        Event.objects.bulk_create(
            Event(
                profile_id=people[person],
                definition_id=ids[name],
                occurred_at=NOW - timedelta(days=days_ago),
                value=value,
                anchor=anchor,
                source=source,
            )
            for person, name, days_ago, value in rows
        )

        compute_scores("rfm", now=NOW)

        assert scores() == {people[person]: said for person, said in oracle(rows).items()}
