"""Who is in several segments at once."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.models import Profile
from segments.services.overlap import Overlap, overlap_of
from tests.clients import api_of
from tests.factories.profiles import ProfileFactory
from tests.factories.segments import MembershipFactory, SegmentFactory
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db


def crowd():
    """Two in a and b, one in a alone, one in all three; one is in none of these."""
    a, b, c = (SegmentFactory(key=key, name=f"Segment {key}") for key in "abc")
    for inside in ([a, b], [a, b], [a], [a, b, c], [SegmentFactory(key="other")]):
        person = ProfileFactory()
        for segment in inside:
            MembershipFactory(segment=segment, profile=person)
    return a, b, c


def test_pairs_all_any_and_each_combination():
    a, b, c = crowd()

    found = overlap_of([a, b, c])

    assert found.pairs() == [[4, 3, 1], [3, 3, 1], [1, 1, 1]]
    assert (found.of_all([0, 1, 2]), found.of_any()) == (1, 4)
    assert found.combinations() == [([a, b], 2), ([a], 1), ([a, b, c], 1)]


@given(st.lists(st.sets(st.integers(0, 3), min_size=1)))
def test_counts_are_those_of_sets(people):
    exactly = {}
    for inside in people:
        mask = sum(1 << place for place in inside)
        exactly[mask] = exactly.get(mask, 0) + 1

    found = Overlap([None] * 4, exactly)

    for size in (1, 2, 3, 4):
        for places in combinations(range(4), size):
            assert found.of_all(places) == sum(set(places) <= inside for inside in people)


def test_the_api_names_what_it_compares_and_refuses_what_is_not_there():
    crowd()
    api = api_of("viewer")

    answer = api.send("get", "segments/a/overlap/?with=b,c").json()
    wrong = api.send("get", "segments/a/overlap/?with=b,nope").json()
    many = api.send("get", "segments/a/overlap/?with=" + ",".join(f"s{n}" for n in range(10))).json()

    assert (answer["segments"], answer["in_all"], answer["in_any"]) == (["a", "b", "c"], 1, 4)
    assert answer["combinations"][0] == {"segments": ["a", "b"], "count": 2}
    assert (wrong["errors"][0]["path"], many["errors"][0]["path"]) == ("with", "with")


def test_cells_open_those_who_are_in_both():
    a, b, _c = crowd()
    client = sign_in("operator")
    address = "/admin/segments/segment/overlap/"

    page = client.get(f"{address}?segment={a.pk}&segment={b.pk}").content.decode()
    both = client.get(f"/admin/profiles/profile/?segment={a.pk},{b.pk}")
    a_alone = client.get(f"/admin/profiles/profile/?segment={a.pk},-{b.pk}")
    few = client.get(f"{address}?segment={a.pk}").content.decode()

    assert f"?segment={a.pk},{b.pk}" in page
    assert f"?segment={a.pk},-{b.pk}" in page
    assert a_alone.context["cl"].result_count == 1
    assert both.context["cl"].result_count == 3
    assert "Choose at least two." in few
    assert Profile.objects.count() == 5
