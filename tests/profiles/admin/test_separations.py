"""What keeps people apart: on their pages, in the list of all, and how it is lifted."""

from datetime import timedelta

import pytest

from cdp.roles import OPERATOR, VIEWER
from profiles.admin import separations
from profiles.models import Identifier, ProfileSplit, Separation
from profiles.services.identity import split_profile
from tests.factories.profiles import SourceFactory
from tests.profiles.ingest.messages import START, identify, profile_of, send
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db
PROFILES, LIST = "/admin/profiles/profile/", "/admin/profiles/separation/"
NOW = START + timedelta(days=1)


@pytest.fixture
def ann():
    """One person with a mail and a phone; a device was split off."""
    shop = SourceFactory(key="shop", name="Shop")
    send(shop, identify(email="ann@example.com", anonymous="a1", at=0))
    send(shop, identify(email="ann@example.com", phone="13800138000", at=6))
    person = profile_of("email", "ann@example.com")
    split_profile(person, [Identifier.objects.get(value="a1")], user=None, now=NOW)
    return person


def barriers(profile, client):
    return client.get(f"{PROFILES}{profile.pk}/change/").context["barriers"]


def n_in_force():
    return Separation.objects.in_force().count()


def words(answer):
    return [str(message) for message in answer.context["messages"]]


def test_separations_stand_on_both_pages_and_lifting_is_asked_on_a_page_of_its_own(ann):
    client, other = sign_in(OPERATOR, username="olga"), profile_of("anonymous_id", "a1")
    (barrier,), (theirs,) = barriers(ann, client), barriers(other, client)
    url = f"{PROFILES}{ann.pk}/lift/"
    page = client.get(f"{PROFILES}{ann.pk}/change/").content.decode()

    one = client.get(url, {"separation": barrier.pairs[0][2]})
    both = client.get(url, {"split": barrier.split.pk})
    n_unchanged = n_in_force()
    client.post(url, {"separation": barrier.pairs[0][2]}, follow=True)
    n_left = n_in_force()
    lifted = client.post(url, {"split": barrier.split.pk}, follow=True)

    assert [(own, away) for own, away, _pk in barrier.pairs] == [
        ("Email ann@example.com", "Anonymous id a1"), ("Phone +8613800138000", "Anonymous id a1"),
    ]  # fmt: skip
    assert [own for own, _away, _pk in theirs.pairs] == ["Anonymous id a1", "Anonymous id a1"]
    assert f"/profile/{other.pk}/" in barrier.person
    assert f"/profile/{ann.pk}/" in theirs.person
    assert f'href="{url}?split={barrier.split.pk}"' in page
    assert "1 separation would be lifted" in one.content.decode()
    assert "2 separations would be lifted" in both.content.decode()
    assert (n_unchanged, n_left, n_in_force()) == (2, 1, 0)
    assert words(lifted) == ["Lifted 1 separation. A message that names both will bring them together."]
    assert barriers(ann, client) == []
    assert set(Separation.objects.values_list("lifted_by__username", flat=True)) == {"olga"}


def test_what_was_lifted_meanwhile_is_not_lifted_again_and_says_so(ann):
    client, chosen = sign_in(OPERATOR), {"split": ProfileSplit.objects.get().pk}
    client.post(f"{PROFILES}{ann.pk}/lift/", chosen)
    before = list(Separation.objects.values())

    page = client.get(f"{PROFILES}{ann.pk}/lift/", chosen).content.decode()
    answer = client.post(f"{PROFILES}{ann.pk}/lift/", chosen, follow=True)

    assert "None of these is in force any more." in page
    assert words(answer) == ["Nothing was lifted: none of these is in force any more."]
    assert list(Separation.objects.values()) == before


@pytest.mark.parametrize("given", [{}, {"split": "x"}, {"separation": "0"}, {"split": "99999999999999999999"}])
def test_what_is_no_separation_is_not_lifted(ann, given):
    client = sign_in(OPERATOR)

    answers = [client.get(f"{PROFILES}{ann.pk}/lift/", given), client.post(f"{PROFILES}{ann.pk}/lift/", given)]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert n_in_force() == 2


def test_of_many_the_page_names_the_first_and_counts_the_rest(ann, monkeypatch):
    monkeypatch.setattr(separations, "MAX_SHOWN", 1)

    page = sign_in(OPERATOR).get(f"{PROFILES}{ann.pk}/lift/", {"split": ProfileSplit.objects.get().pk})

    assert (len(page.context["pairs"]), page.context["n_more"]) == (1, 1)
    assert "and 1 more" in page.content.decode()


def test_the_list_shows_those_in_force_with_both_people_in_a_fixed_number_of_queries(
    ann, django_assert_max_num_queries
):
    client, other = sign_in(OPERATOR, username="olga"), profile_of("anonymous_id", "a1")
    client.post(f"{PROFILES}{ann.pk}/lift/", {"separation": Separation.objects.earliest("pk").pk})

    with django_assert_max_num_queries(12):
        page = client.get(LIST)
    listed = {state: len(client.get(LIST, {"state": state}).context["cl"].result_list)
              for state in ("in_force", "lifted", "all", "odd")}  # fmt: skip

    text = page.content.decode()
    assert "Phone +8613800138000" in text
    assert f"/profile/{ann.pk}/" in text
    assert f"/profile/{other.pk}/" in text
    assert listed == {"in_force": 1, "lifted": 1, "all": 2, "odd": 1}
    assert "olga, 20" in client.get(LIST, {"state": "lifted"}).content.decode()


def test_the_list_is_searched_by_an_identifier_of_either_side_by_who_may_see_it(ann):
    client, viewer = sign_in(OPERATOR), sign_in(VIEWER, username="vic")

    found = {
        term: len(client.get(LIST, {"q": term}).context["cl"].result_list) for term in ("a1", "ann@example.com", "z")
    }
    hidden = viewer.get(LIST, {"q": "ann@example.com"})

    assert found == {"a1": 2, "ann@example.com": 1, "z": 0}
    assert words(hidden) == ["Only those who may see personal data find separations by their identifiers."]
    assert "ann@example.com" not in viewer.get(LIST).content.decode()


def test_the_chosen_of_the_list_are_lifted_after_a_page_that_asks(ann):
    client, chosen = (
        sign_in(OPERATOR),
        {"action": "lift_chosen", "_selected_action": Separation.objects.earliest("pk").pk},
    )

    asked = client.post(LIST, chosen)
    n_unchanged = n_in_force()
    answer = client.post(LIST, {**chosen, "apply": "1"}, follow=True)

    assert "1 separation would be lifted" in asked.content.decode()
    assert (n_unchanged, n_in_force()) == (2, 1)
    assert words(answer) == ["Lifted 1 separation. A message that names both will bring them together."]


def test_viewers_see_the_list_and_lift_nothing(ann):
    client = sign_in(VIEWER)

    page = client.get(LIST)
    client.post(LIST, {"action": "lift_chosen", "_selected_action": Separation.objects.earliest("pk").pk, "apply": "1"})

    assert len(page.context["cl"].result_list) == 2
    assert "lift_chosen" not in page.content.decode()
    assert n_in_force() == 2
