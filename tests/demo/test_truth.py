from datetime import UTC, datetime, timedelta
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from demo.sayings import Saying
from demo.truth import Evaluation, evaluate, true_clusters

START = datetime(2026, 1, 1, tzinfo=UTC)


def saying(minute, person, *names):
    return Saying(START + timedelta(minutes=minute), "web-shop", person, tuple(names), {})


def test_a_chain_of_messages_links_and_nothing_else_does():
    user, device, phone, card, other = (
        ("user_id", "u"),
        ("anonymous_id", "d"),
        ("phone", "1"),
        ("card", "c"),
        ("card", "x"),
    )

    clusters = true_clusters(
        [
            saying(1, "ann", user, device),
            saying(2, "ann", phone, user),
            saying(3, "ann", card, phone),
            saying(4, "ann", other),
        ]
    )

    assert len({clusters[name] for name in (user, device, phone, card)}) == 1
    assert clusters[other] != clusters[user]


def test_a_shared_device_stays_with_the_first_who_logged_in_on_it():
    device, ann, bob = ("anonymous_id", "d"), ("user_id", "ann"), ("user_id", "bob")

    clusters = true_clusters([saying(2, "bob", bob, device), saying(1, "ann", ann, device)])

    assert clusters[device] == clusters[ann] != clusters[bob]


def test_two_people_put_together_are_wrong():
    truth = {("a", "1"): 0, ("a", "2"): 0, ("a", "3"): 1}
    found = [(("a", "1"), 10), (("a", "2"), 10), (("a", "3"), 10)]

    evaluation = evaluate(truth, found)

    assert (evaluation.n_true, evaluation.n_found, evaluation.n_both) == (1, 3, 1)
    assert (evaluation.precision, evaluation.recall) == (1 / 3, 1.0)


def test_identifiers_that_came_with_other_messages_do_not_count():
    truth = {("a", "1"): 0, ("a", "2"): 0}
    found = [(("a", "1"), 10), (("a", "2"), 10), (("a", "mine"), 10), (("a", "yours"), 11), (("a", "hers"), 11)]

    assert evaluate(truth, found) == Evaluation(n_true=1, n_found=1, n_both=1)


def test_nothing_found_is_precise_and_finds_nothing():
    evaluation = evaluate({("a", "1"): 0, ("a", "2"): 0}, [])

    assert (evaluation.precision, evaluation.recall) == (1.0, 0.0)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=25))
def test_counting_overlaps_is_counting_pairs(groups):
    truth = {("a", str(n)): true for n, (true, _found) in enumerate(groups)}
    found = {("a", str(n)): put for n, (_true, put) in enumerate(groups)}

    evaluation = evaluate(truth, found.items())

    together = [(truth[a] == truth[b], found[a] == found[b]) for a, b in combinations(truth, 2)]
    assert evaluation.n_true == sum(true for true, _ in together)
    assert evaluation.n_found == sum(put for _, put in together)
    assert evaluation.n_both == sum(true and put for true, put in together)
