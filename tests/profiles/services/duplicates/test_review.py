"""What becomes of suggestions."""

import pytest

from cdp.models import Run
from cdp.runs import execute_run
from profiles import tasks  # noqa: F401 - registers the work of runs
from profiles.identity.errors import KeptApartError
from profiles.models import DuplicateSuggestion, Profile, ProfileMerge
from profiles.services.duplicates import (
    NotToReview,
    accept_suggestion,
    bulk,
    queue_acceptance,
    reject_suggestion,
    reject_suggestions,
    reopen_suggestion,
)
from profiles.services.duplicates.review import RejectedBefore
from profiles.services.erase import erase_empty
from profiles.services.identity import merge_profiles, undo_merge
from tests.factories.cdp import UserFactory
from tests.factories.profiles import DuplicateSuggestionFactory, IdentifierFactory, ProfileFactory

pytestmark = pytest.mark.django_db


def state_of(suggestion):
    return DuplicateSuggestion.objects.get(pk=suggestion.pk).state


def test_an_accepted_pair_is_merged_by_its_cause(now):
    suggestion, user = DuplicateSuggestionFactory(), UserFactory()

    made = accept_suggestion(suggestion.pk, user=user, now=now)

    suggestion.refresh_from_db()
    assert (suggestion.state, suggestion.decided_by, suggestion.decided_at) == ("accepted", user, now)
    merge = ProfileMerge.objects.get()
    assert (merge, merge.cause, merge.merged_by) == (made, "duplicate", user)
    assert {merge.survivor_id, merge.absorbed_id} == {suggestion.left_id, suggestion.right_id}


def test_a_limit_refuses_and_the_pair_stays_open(now):
    suggestion = DuplicateSuggestionFactory()
    for profile in (suggestion.left, suggestion.right):
        IdentifierFactory(profile=profile, kind_key="user_id")

    with pytest.raises(KeptApartError, match="User id"):
        accept_suggestion(suggestion.pk, user=None, now=now)

    assert state_of(suggestion) == "open"
    assert not ProfileMerge.objects.exists()


@pytest.mark.parametrize("decide", [accept_suggestion, reject_suggestion])
def test_what_was_decided_is_not_decided_again(now, decide):
    suggestion = DuplicateSuggestionFactory(state="rejected")

    with pytest.raises(NotToReview, match="settled meanwhile: Rejected"):
        decide(suggestion.pk, user=None, now=now)

    assert state_of(suggestion) == "rejected"
    assert not ProfileMerge.objects.exists()


def test_a_rejection_goes_for_every_suggestion_of_the_two(now):
    one, other, absorbed = (ProfileFactory() for _ in range(3))
    first = DuplicateSuggestionFactory(left=one, right=other)
    second = DuplicateSuggestionFactory(left=other, right=absorbed)
    elsewhere = DuplicateSuggestionFactory(left=one)
    Profile.objects.filter(pk=absorbed.pk).update(merged_into=one)

    assert reject_suggestion(first.pk, user=None, now=now) == 2

    assert [state_of(each) for each in (first, second, elsewhere)] == ["rejected", "rejected", "open"]


def test_one_of_whom_one_was_erased_is_outdated(now):
    suggestion, other = DuplicateSuggestionFactory(), DuplicateSuggestionFactory()
    for profile in (other.left, other.right, suggestion.right):
        IdentifierFactory(profile=profile)

    erase_empty([suggestion.left_id, suggestion.right_id], now=now)

    assert [state_of(each) for each in (suggestion, other)] == ["outdated", "open"]


def test_a_rejected_one_of_whom_one_was_erased_stays_rejected(now):
    suggestion = DuplicateSuggestionFactory(state="rejected")
    erase_empty([suggestion.left_id], now=now)

    with pytest.raises(NotToReview, match="was erased"):
        reopen_suggestion(suggestion.pk)

    assert state_of(suggestion) == "rejected"


def test_an_open_one_of_whom_one_was_erased_is_outdated_when_it_is_accepted(now):
    """As a search left it that had read them before they were erased."""
    suggestion = DuplicateSuggestionFactory()
    Profile.objects.filter(pk=suggestion.left_id).update(erased_at=now)

    with pytest.raises(NotToReview, match="was erased"):
        accept_suggestion(suggestion.pk, user=None, now=now)

    assert state_of(suggestion) == "outdated"
    assert not ProfileMerge.objects.exists()


def test_a_rejected_one_comes_back_for_review(now):
    suggestion, user = DuplicateSuggestionFactory(), UserFactory()
    reject_suggestion(suggestion.pk, user=user, now=now)

    reopen_suggestion(suggestion.pk)

    suggestion.refresh_from_db()
    assert (suggestion.state, suggestion.decided_at, suggestion.decided_by) == ("open", None, None)


def test_what_went_with_a_rejection_comes_back_with_it(now):
    one, other, absorbed = (ProfileFactory() for _ in range(3))
    first = DuplicateSuggestionFactory(left=one, right=other)
    second = DuplicateSuggestionFactory(left=other, right=absorbed)
    elsewhere = DuplicateSuggestionFactory(left=one, state="rejected")
    Profile.objects.filter(pk=absorbed.pk).update(merged_into=one)
    reject_suggestion(first.pk, user=None, now=now)

    reopen_suggestion(second.pk)

    assert [state_of(each) for each in (first, second, elsewhere)] == ["open", "open", "rejected"]


def test_a_rejected_pair_is_not_joined_through_a_third(now):
    one, other, third = (ProfileFactory() for _ in range(3))
    with_other = DuplicateSuggestionFactory(left=one, right=other)
    with_third = DuplicateSuggestionFactory(left=other, right=third)
    rejected = DuplicateSuggestionFactory(left=one, right=third)
    reject_suggestion(rejected.pk, user=None, now=now)
    accept_suggestion(with_other.pk, user=None, now=now)

    with pytest.raises(RejectedBefore, match=rf"Possible duplicate #{rejected.pk} of these people was rejected"):
        accept_suggestion(with_third.pk, user=None, now=now)

    assert [state_of(each) for each in (with_other, with_third, rejected)] == ["accepted", "open", "rejected"]
    assert Profile.objects.current().count() == 2
    reopen_suggestion(rejected.pk)
    accept_suggestion(with_third.pk, user=None, now=now)
    assert [state_of(each) for each in (with_other, with_third, rejected)] == ["accepted", "accepted", "outdated"]
    assert Profile.objects.current().count() == 1


def test_a_bulk_acceptance_joins_nobody_who_was_rejected(now):
    one, other, third = (ProfileFactory() for _ in range(3))
    with_other = DuplicateSuggestionFactory(left=one, right=other, probability=0.999)
    with_third = DuplicateSuggestionFactory(left=other, right=third, probability=0.998)
    rejected = DuplicateSuggestionFactory(left=one, right=third, probability=0.997)
    reject_suggestion(rejected.pk, user=None, now=now)

    run = queue_acceptance(0.99, user=UserFactory())
    execute_run(run.pk, now=now)

    assert [state_of(each) for each in (with_other, with_third, rejected)] == ["accepted", "open", "rejected"]
    counts = {"accepted": 1, "refused": 0, "rejected_before": 1, "passed_over": 0}
    assert Run.objects.get(pk=run.pk).counts == counts


def test_pairs_that_merge_otherwise_are_outdated_and_those_with_a_third_go_on(now):
    one, other, third = (ProfileFactory() for _ in range(3))
    of_both = DuplicateSuggestionFactory(left=one, right=other)
    with_third = [DuplicateSuggestionFactory(left=profile, right=third) for profile in (one, other)]

    merge_profiles([one.pk, other.pk], user=None, now=now)
    assert [state_of(each) for each in (of_both, *with_third)] == ["outdated", "open", "open"]

    accept_suggestion(with_third[0].pk, user=None, now=now)
    assert [state_of(each) for each in (of_both, *with_third)] == ["outdated", "accepted", "outdated"]
    assert Profile.objects.current().count() == 1


def test_an_accepted_pair_whose_merge_is_undone_counts_as_rejected(now):
    suggestion, elsewhere = DuplicateSuggestionFactory(), DuplicateSuggestionFactory(state="accepted")
    for profile in (suggestion.left, suggestion.right):
        IdentifierFactory(profile=profile, kind_key="member_card")
    accept_suggestion(suggestion.pk, user=None, now=now)

    undo_merge(ProfileMerge.objects.get(), user=None, now=now)

    assert [state_of(each) for each in (suggestion, elsewhere)] == ["rejected", "accepted"]
    assert Profile.objects.current().filter(pk__in=[suggestion.left_id, suggestion.right_id]).count() == 2


def test_a_bulk_acceptance_takes_the_sure_ones_and_leaves_what_differs(now):
    sure = DuplicateSuggestionFactory(probability=0.99)
    less = DuplicateSuggestionFactory(probability=0.95)
    couple = DuplicateSuggestionFactory(
        probability=0.999, evidence=[{"field": "name", "level": "other_first", "weight": 1.0}]
    )
    twins = DuplicateSuggestionFactory(
        probability=0.999, evidence=[{"field": "gender", "level": "differs", "weight": -4.0}]
    )
    limited = DuplicateSuggestionFactory(probability=0.99)
    for profile in (limited.left, limited.right):
        IdentifierFactory(profile=profile, kind_key="user_id")
    user = UserFactory()

    run = queue_acceptance(0.99, user=user)
    execute_run(run.pk, now=now)

    assert [state_of(each) for each in (sure, less, couple, twins, limited)] == ["accepted", *["open"] * 4]
    run = Run.objects.get(pk=run.pk)
    assert (run.state, run.counts) == (
        "succeeded",
        {"accepted": 1, "refused": 1, "rejected_before": 0, "passed_over": 0},
    )
    assert ProfileMerge.objects.get().merged_by == user


def test_a_bulk_acceptance_that_is_killed_counts_every_pair_once(now, monkeypatch):
    first, second, third, gone = (DuplicateSuggestionFactory(probability=each) for each in (0.999, 0.998, 0.997, 0.996))
    Profile.objects.filter(pk=gone.left_id).update(erased_at=now)
    run = queue_acceptance(0.99, user=UserFactory())

    def killed(suggestion_id, **given):
        if suggestion_id == third.pk:
            raise SystemExit
        return accept_suggestion(suggestion_id, **given)

    monkeypatch.setattr(bulk, "accept_suggestion", killed)
    with pytest.raises(SystemExit):
        execute_run(run.pk, now=now)
    counted = Run.objects.get(pk=run.pk).counts
    monkeypatch.undo()
    execute_run(run.pk, now=now)

    assert counted["accepted"] == 2
    assert [state_of(each) for each in (first, second, third, gone)] == [*["accepted"] * 3, "outdated"]
    run.refresh_from_db()
    counts = {"accepted": 3, "refused": 0, "rejected_before": 0, "passed_over": 1}
    assert (run.state, run.counts, run.done) == ("succeeded", counts, 2)


def test_many_are_rejected_like_one_and_what_was_settled_stays(now, monkeypatch):
    monkeypatch.setattr(bulk, "AT_ONCE", 2)
    user = UserFactory()
    one, other, absorbed = (ProfileFactory() for _ in range(3))
    of_two = DuplicateSuggestionFactory(left=one, right=other)
    of_the_same = DuplicateSuggestionFactory(left=other, right=absorbed)
    Profile.objects.filter(pk=absorbed.pk).update(merged_into=one)
    chosen = [DuplicateSuggestionFactory(probability=0.9 + n / 100) for n in range(4)]
    accepted, elsewhere = DuplicateSuggestionFactory(state="accepted"), DuplicateSuggestionFactory()
    ids = [each.pk for each in (of_two, *chosen, accepted)]

    n = reject_suggestions(DuplicateSuggestion.objects.filter(pk__in=ids), user=user, now=now)

    assert n == 6
    rejected = DuplicateSuggestion.objects.filter(state="rejected").order_by("pk")
    assert [(each.pk, each.decided_by, each.decided_at) for each in rejected] == [
        (each.pk, user, now) for each in (of_two, of_the_same, *chosen)
    ]
    assert [state_of(each) for each in (accepted, elsewhere)] == ["accepted", "open"]
    assert reject_suggestions(DuplicateSuggestion.objects.filter(pk__in=ids), user=None, now=now) == 0


def test_of_too_many_the_most_probable_are_rejected_first(now):
    less, more, most = (DuplicateSuggestionFactory(probability=each) for each in (0.9, 0.95, 0.99))

    assert reject_suggestions(DuplicateSuggestion.objects.all(), user=None, now=now, limit=2) == 2

    assert [state_of(each) for each in (less, more, most)] == ["open", "rejected", "rejected"]
