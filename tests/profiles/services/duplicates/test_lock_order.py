"""Suggestions are locked in the order of id, by the search that writes them and by whoever decides them."""

import pytest

from cdp.models import Run
from profiles.models import DuplicateSuggestion, Profile
from profiles.services.duplicates import accept_suggestion, reject_suggestion, review
from profiles.services.duplicates.engine import Found
from profiles.services.duplicates.search import write_suggestions
from tests.elsewhere import Elsewhere
from tests.factories.profiles import DuplicateSuggestionFactory, ProfileFactory

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


@pytest.mark.parametrize(
    ("decide", "next_step", "states"),
    [(accept_suggestion, "merge_profiles", ["outdated", "accepted"]), (reject_suggestion, "decide", ["rejected"] * 2)],
)
def test_a_search_and_a_decision_about_two_people_of_several_suggestions_both_end(
    now, monkeypatch, decide, next_step, states
):
    one, other, absorbed = (ProfileFactory() for _ in range(3))
    of_the_two = DuplicateSuggestionFactory(left=one, right=other)
    of_who_merged = DuplicateSuggestionFactory(left=other, right=absorbed)
    Profile.objects.filter(pk=absorbed.pk).update(merged_into=one)
    run = Run.objects.create(kind="find_duplicates", subject="duplicates")
    searches, step = [], getattr(review, next_step)

    def search_meanwhile(*args, **given):
        searches.append(Elsewhere(lambda: write_suggestions([Found(one.pk, other.pk, 0.99, [])], run=run, now=now)))
        searches[0].come_as_far_as_it_can()
        return step(*args, **given)

    monkeypatch.setattr(review, next_step, search_meanwhile)
    decide(of_who_merged.pk, user=None, now=now)
    searches[0].finish()

    found = DuplicateSuggestion.objects.in_bulk()
    assert [found[each.pk].state for each in (of_the_two, of_who_merged)] == states
