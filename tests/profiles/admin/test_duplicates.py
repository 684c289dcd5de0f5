"""Possible duplicates in the admin."""

import pytest

from cdp.models import Run
from cdp.roles import OPERATOR, PRIVACY_OFFICER, VIEWER
from profiles.admin import duplicates
from profiles.models import DuplicateSuggestion, Profile, ProfileMerge
from profiles.services.duplicates import engine
from profiles.services.identity import merge_profiles
from tests.factories.profiles import DuplicateSuggestionFactory, IdentifierFactory, ProfileFactory
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db
LIST = "/admin/profiles/duplicatesuggestion/"


def shown(query="", role=OPERATOR):
    return [row.pk for row in sign_in(role).get(LIST + query).context["cl"].result_list]


def pair(suggestion, role=OPERATOR):
    return sign_in(role).get(f"{LIST}{suggestion.pk}/change/")


def decide(suggestion, decision, role=OPERATOR):
    return sign_in(role).post(f"{LIST}{suggestion.pk}/decide/", {"decision": decision}, follow=True)


def state_of(suggestion):
    return DuplicateSuggestion.objects.get(pk=suggestion.pk).state


def texts(answer):
    return [str(message) for message in answer.context["messages"]]


def test_the_list_begins_with_what_is_to_review_the_most_probable_first():
    less, more, rejected = (
        DuplicateSuggestionFactory(probability=probability, state=state)
        for probability, state in ((0.91, "open"), (0.9999, "open"), (0.99, "rejected"))
    )

    assert shown() == [more.pk, less.pk]
    assert shown("?state=rejected") == [rejected.pk]
    assert shown("?state=all&probable=0.99") == [more.pk, rejected.pk]


def test_the_list_takes_a_fixed_number_of_queries(django_assert_num_queries):
    client = sign_in(OPERATOR)
    for n in range(20):
        if n in (2, 19):
            with django_assert_num_queries(9):
                client.get(LIST)
        DuplicateSuggestionFactory()


def test_a_pair_stands_side_by_side_with_what_differs():
    suggestion = DuplicateSuggestionFactory(
        left=ProfileFactory(attributes={"name": "Ann Olsen", "city": "Oslo", "gender": "f"}),
        right=ProfileFactory(attributes={"name": "Anne Olsen", "city": "Oslo"}),
        evidence=[{"field": "name", "level": "alike", "weight": 9.1}],
    )

    answer = pair(suggestion)

    rows = {str(row.label): (row.left, row.right, row.state) for row in answer.context["rows"]}
    assert rows["Name"] == (["Ann Olsen"], ["Anne Olsen"], "differs")
    assert rows["City"] == (["Oslo"], ["Oslo"], "same")
    assert rows["Gender"] == (["f"], [], "one")
    assert "names are similar" in answer.content.decode()
    assert "speaks strongly for" in answer.content.decode()


def test_the_link_undoes_the_merge_of_this_pair_though_another_was_merged_meanwhile(monkeypatch):
    suggestion = DuplicateSuggestionFactory()
    real = duplicates.accept_suggestion

    def accept(*args, **given):
        merge = real(*args, **given)
        merge_profiles([merge.survivor_id, ProfileFactory().pk], user=None, now=given["now"])
        return merge

    monkeypatch.setattr(duplicates, "accept_suggestion", accept)

    (text,) = texts(decide(suggestion, "accept"))[:1]

    merge = ProfileMerge.objects.get(cause="duplicate")
    assert f'href="/admin/profiles/profile/merge/{merge.pk}/undo/"' in text


def test_accepting_merges_and_the_next_pair_follows():
    first, second = DuplicateSuggestionFactory(probability=0.99), DuplicateSuggestionFactory(probability=0.95)

    answer = decide(first, "accept")

    assert (state_of(first), ProfileMerge.objects.get().cause) == ("accepted", "duplicate")
    assert answer.redirect_chain[-1][0] == f"{LIST}{second.pk}/change/"
    assert f'href="/admin/profiles/profile/merge/{ProfileMerge.objects.get().pk}/undo/"' in texts(answer)[0]
    page = pair(first).content.decode()
    assert "/change/#history" in page
    assert "Marked rows differ" not in page


def test_rejecting_the_last_leads_to_the_list():
    suggestion = DuplicateSuggestionFactory()

    answer = decide(suggestion, "reject")

    assert state_of(suggestion) == "rejected"
    assert answer.redirect_chain[-1][0] == LIST
    assert "Look again" in texts(answer)[0]
    assert decide(suggestion, "reopen").context["suggestion"].state == "open"


def test_a_limit_is_said_before_and_refused_after():
    suggestion = DuplicateSuggestionFactory()
    for profile in (suggestion.left, suggestion.right):
        IdentifierFactory(profile=profile, kind_key="user_id")

    page = pair(suggestion)
    answer = decide(suggestion, "accept")

    assert "One person may have 1 User id" in page.context["apart"]
    assert 'value="accept"' not in page.content.decode()
    assert "One person may have 1 User id" in texts(answer)[0]
    assert state_of(suggestion) == "open"


def test_a_rejection_of_who_merged_with_one_is_said_before_and_refused_after():
    one, other, third = (ProfileFactory() for _ in range(3))
    rejected = DuplicateSuggestionFactory(left=one, right=third, state="rejected")
    suggestion = DuplicateSuggestionFactory(left=other, right=third)
    Profile.objects.filter(pk=other.pk).update(merged_into=one)
    says = f"Possible duplicate #{rejected.pk} of these people was rejected; if they are one after all, open it again."

    page = pair(suggestion)
    by_hand = sign_in(OPERATOR).get(f"/admin/profiles/profile/merge/?id={one.pk}&id={third.pk}")
    answer = decide(suggestion, "accept")

    for shown_page in (page, by_hand):
        assert shown_page.context["rejected"] == [(says, f"{LIST}{rejected.pk}/change/")]
        assert says in shown_page.content.decode()
    assert "Whoever merges here decides otherwise" in by_hand.content.decode()
    assert 'value="accept"' not in page.content.decode()
    assert says in texts(answer)[0]
    assert state_of(suggestion) == "open"


def test_what_was_decided_meanwhile_is_said_on_its_own_page_and_not_of_the_next():
    suggestion = DuplicateSuggestionFactory(state="rejected")
    following = DuplicateSuggestionFactory(probability=0.5)

    answer = decide(suggestion, "accept")

    assert texts(answer) == ["This suggestion was settled meanwhile: Rejected."]
    assert answer.redirect_chain == [(f"{LIST}{suggestion.pk}/change/", 302)]
    assert (state_of(suggestion), state_of(following)) == ("rejected", "open")


@pytest.mark.parametrize("role", [VIEWER, PRIVACY_OFFICER])
def test_those_who_may_not_decide_see_the_pair_and_no_button(role):
    suggestion = DuplicateSuggestionFactory()

    page = pair(suggestion, role)

    assert 'name="decision"' not in page.content.decode()
    assert decide(suggestion, "reject", role).status_code == 403
    assert sign_in(role).get(f"{LIST}many/").status_code == 403
    assert sign_in(role).post(f"{LIST}search/").status_code == 403
    assert (state_of(suggestion), Run.objects.count()) == ("open", 0)


@pytest.mark.parametrize(("method", "decision", "status"), [("get", "accept", 405), ("post", "burn", 400)])
def test_other_decisions_are_refused(method, decision, status):
    suggestion = DuplicateSuggestionFactory()

    answer = getattr(sign_in(OPERATOR), method)(f"{LIST}{suggestion.pk}/decide/", {"decision": decision})

    assert answer.status_code == status
    assert state_of(suggestion) == "open"


def reject_ticked(client, *chosen, **more):
    asked = {"action": "reject_chosen", "index": "0", "_selected_action": [each.pk for each in chosen], **more}
    return client.post(f"{LIST}?state=all", asked, follow=True)


def test_the_ticked_are_rejected_after_a_question_and_those_settled_before_stay():
    first, second, accepted, unticked = (
        DuplicateSuggestionFactory(state=state) for state in ("open", "open", "accepted", "open")
    )
    client = sign_in(OPERATOR, username="ann")

    question = reject_ticked(client, first, second, accepted).content.decode()
    untouched = DuplicateSuggestion.objects.open().count()
    done = reject_ticked(client, first, second, accepted, apply="1")

    assert "2 pairs are rejected" in question
    assert "1 more was settled before, and stays as it is." in question
    assert untouched == 3
    assert texts(done) == [
        "2 pairs were rejected: they are not suggested again.",
        "1 pair was settled before, and stays as it is.",
    ]
    assert [state_of(each) for each in (first, second, accepted, unticked)] == [
        "rejected", "rejected", "accepted", "open",
    ]  # fmt: skip
    assert DuplicateSuggestion.objects.get(pk=first.pk).decided_by.username == "ann"


def test_all_of_the_list_are_rejected_so_many_at_a_time(monkeypatch):
    monkeypatch.setattr(duplicates, "MAX_REJECTED", 2)
    for _ in range(3):
        DuplicateSuggestionFactory()
    client = sign_in(OPERATOR)
    asked = {"action": "reject_chosen", "index": "0", "select_across": "1", "_selected_action": "0"}

    question = client.post(LIST, asked).content.decode()
    first = client.post(LIST, {**asked, "apply": "1"}, follow=True)
    second = client.post(LIST, {**asked, "apply": "1"}, follow=True)

    assert "The first 2 of them now; do it again for the others." in question
    assert texts(first) == ["2 pairs were rejected: they are not suggested again.", "1 is left: do it again."]
    assert texts(second) == ["1 pair was rejected: it is not suggested again."]
    assert DuplicateSuggestion.objects.rejected().count() == 3


@pytest.mark.parametrize("role", [VIEWER, PRIVACY_OFFICER])
def test_those_who_may_not_decide_reject_nothing_ticked(role):
    suggestion = DuplicateSuggestionFactory()
    client = sign_in(role)

    page = client.get(LIST).content.decode()
    reject_ticked(client, suggestion, apply="1")

    assert "reject_chosen" not in page
    assert state_of(suggestion) == "open"


def test_many_are_counted_then_queued():
    for probability in (0.99, 0.995, 0.9):
        DuplicateSuggestionFactory(probability=probability)
    client = sign_in(OPERATOR)

    assert client.get(f"{LIST}many/?at_least=0.99").context["n_sure"] == 2
    assert not Run.objects.exists()
    client.post(f"{LIST}many/", {"at_least": "0.99"})

    assert [(run.kind, run.params) for run in Run.objects.all()] == [("accept_duplicates", {"at_least": 0.99})]


@pytest.mark.parametrize("at_least", ["", "x", "0.1", "2", "nan"])
def test_a_wrong_probability_is_said_and_queues_nothing(at_least):
    DuplicateSuggestionFactory()

    answer = sign_in(OPERATOR).post(f"{LIST}many/", {"at_least": at_least})

    assert answer.context["form"].errors["at_least"]
    assert "would be accepted" not in answer.content.decode()
    assert not Run.objects.exists()


def test_the_search_is_queued_from_the_list(monkeypatch):
    monkeypatch.setattr(engine, "find_spec", lambda name: name)

    answer = sign_in(OPERATOR).post(f"{LIST}search/", follow=True)

    assert [run.kind for run in Run.objects.all()] == ["find_duplicates"]
    assert texts(answer) == ["Queued a search. The list fills when it has ended."]


def test_without_the_extra_the_list_says_what_to_install(monkeypatch):
    monkeypatch.setattr(engine, "find_spec", lambda name: None)
    client = sign_in(OPERATOR)

    page = client.get(LIST).content.decode()
    answer = client.post(f"{LIST}search/", follow=True)

    assert "requirements/duplicates.txt" in page
    assert f'action="{LIST}search/"' not in page
    assert "requirements/duplicates.txt" in texts(answer)[0]
    assert not Run.objects.exists()
