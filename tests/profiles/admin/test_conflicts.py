"""Conflicts in the admin."""

import pytest

from cdp.roles import OPERATOR, VIEWER
from profiles.models import Identifier, IdentityConflict
from profiles.services.identity import split_profile
from tests.factories.profiles import SourceFactory
from tests.profiles.ingest.messages import START, identify, profile_of, send
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db
LIST = "/admin/profiles/identityconflict/"


@pytest.fixture
def conflict():
    shop = SourceFactory(key="shop", name="Shop")
    send(shop, identify(user="a", anonymous="device", at=0), identify(user="b", anonymous="device", at=1))
    return IdentityConflict.objects.get()


def test_the_page_shows_both_sides_and_why(conflict):
    text = sign_in(OPERATOR).get(f"{LIST}{conflict.pk}/change/").content.decode()

    assert "User id b" in text
    assert "Anonymous id device" in text
    assert "Together they would have more of User id than one person may have (1)." in text
    for profile in (profile_of("user_id", "a"), profile_of("user_id", "b")):
        assert f"/admin/profiles/profile/{profile.pk}/change/" in text


def test_what_was_moved_is_not_said_to_stay_with_another(conflict):
    client = sign_in(OPERATOR)
    stays, moved = "it stays with this person", "by now it is of the same person"

    before = client.get(f"{LIST}{conflict.pk}/change/").content.decode()
    client.post(f"{LIST}{conflict.pk}/move/")
    after = client.get(f"{LIST}{conflict.pk}/change/").content.decode()

    assert [stays in before, moved in before, stays in after, moved in after] == [True, False, False, True]


def test_the_list_filters_by_state_kind_source_and_reason(conflict, django_assert_max_num_queries):
    client = sign_in(OPERATOR)

    found = {
        query: len(client.get(f"{LIST}?{query}").context["cl"].result_list)
        for query in (
            "state__exact=open",
            "state__exact=dismissed",
            f"kind__id__exact={conflict.kind_id}",
            f"source__id__exact={conflict.source_id}",
            "reason__exact=limit",
        )
    }

    assert list(found.values()) == [1, 0, 1, 1, 1]


def test_an_operator_dismisses_with_a_note_and_opens_again(conflict):
    client = sign_in(OPERATOR, username="ann")

    client.post(f"{LIST}{conflict.pk}/dismiss/", {"note": "A couple."})
    conflict.refresh_from_db()
    decided = (conflict.state, conflict.note, conflict.settled_by.username)
    client.post(f"{LIST}{conflict.pk}/reopen/")

    conflict.refresh_from_db()
    assert decided == ("dismissed", "A couple.", "ann")
    assert conflict.state == "open"


def test_who_may_not_see_personal_data_reads_no_note(conflict):
    IdentityConflict.objects.update(state="dismissed", note="Ann and Bob")

    assert "Ann and Bob" in sign_in(OPERATOR).get(f"{LIST}{conflict.pk}/change/").content.decode()
    assert "Ann and Bob" not in sign_in(VIEWER).get(f"{LIST}{conflict.pk}/change/").content.decode()


def test_viewers_decide_nothing(conflict):
    client = sign_in(VIEWER)

    answers = [client.post(f"{LIST}{conflict.pk}/{way}/").status_code for way in ("dismiss", "reopen")]

    conflict.refresh_from_db()
    assert (answers, conflict.state) == ([403, 403], "open")
    assert "/dismiss/" not in client.get(f"{LIST}{conflict.pk}/change/").content.decode()


@pytest.mark.parametrize("way", ["dismiss", "move"])
def test_who_decides_what_is_gone_is_told_on_the_list(conflict, way):
    IdentityConflict.objects.all().delete()

    answer = sign_in(OPERATOR).post(f"{LIST}{conflict.pk}/{way}/", follow=True)

    assert answer.redirect_chain == [(LIST, 302)]
    assert "This conflict is there no more" in answer.content.decode()


@pytest.fixture
def kiosk():
    """Three people signed in at it; it stays with the first."""
    shop = SourceFactory(key="till")
    send(shop, *(identify(user=f"u{n}", anonymous="KIOSK-1", at=n) for n in range(3)), identify(user="x", at=9))
    return Identifier.objects.get(value="KIOSK-1")


def test_a_search_finds_the_conflicts_of_an_identifier_and_says_how_many_are_open(conflict, kiosk):
    client = sign_in(OPERATOR)

    found = client.get(LIST, {"q": "anonymous_id:KIOSK-1"})
    text = found.content.decode()

    assert [len(found.context["cl"].result_list), len(client.get(LIST).context["cl"].result_list)] == [2, 3]
    assert "2 open conflicts name it" in text
    assert f'href="{LIST}?identifier={kiosk.pk}&amp;state__exact=open"' in text
    assert "Dismiss all of the list" in text
    assert "KIOSK-1" not in client.get(LIST, {"q": "nobody"}).content.decode()


def test_all_open_conflicts_of_an_identifier_are_dismissed_after_a_question(conflict, kiosk):
    client = sign_in(OPERATOR, username="ann")
    page = f"{LIST}?identifier={kiosk.pk}&state__exact=open"
    asked = {"action": "dismiss_chosen", "index": "0", "select_across": "1", "_selected_action": "0"}

    question = client.post(page, asked).content.decode()
    untouched = IdentityConflict.objects.open().count()
    done = client.post(page, {**asked, "apply": "1", "note": "Till tablet."}, follow=True).content.decode()

    assert "2 open conflicts are dismissed" in question
    assert untouched == 3
    assert "2 conflicts were dismissed." in done
    assert list(IdentityConflict.objects.open()) == [conflict]
    rows = IdentityConflict.objects.filter(left_out=kiosk).values_list("state", "note", "settled_by__username")
    assert list(rows) == [("dismissed", "Till tablet.", "ann")] * 2


def test_the_ticked_are_dismissed_and_those_decided_before_stay(conflict, kiosk):
    first, second = IdentityConflict.objects.filter(left_out=kiosk).order_by("pk")
    IdentityConflict.objects.filter(pk=second.pk).update(state="settled")
    asked = {"action": "dismiss_chosen", "index": "0", "_selected_action": [first.pk, second.pk]}
    client = sign_in(OPERATOR)

    question = client.post(LIST, asked).content.decode()
    client.post(LIST, {**asked, "apply": "1", "note": ""})

    assert "1 open conflict is dismissed" in question
    assert "1 more was decided before" in question
    states = IdentityConflict.objects.order_by("pk").values_list("pk", "state")
    assert dict(states) == {conflict.pk: "open", first.pk: "dismissed", second.pk: "settled"}


def test_an_identifier_that_is_gone_chooses_nothing(conflict):
    asked = {"action": "dismiss_chosen", "index": "0", "select_across": "1", "_selected_action": "0", "apply": "1"}
    client = sign_in(OPERATOR)

    for gone in ("999999", "junk", "9" * 30):
        assert len(client.get(LIST, {"identifier": gone}).context["cl"].result_list) == 0
        client.post(f"{LIST}?identifier={gone}", asked)

    assert IdentityConflict.objects.get().state == "open"


def test_viewers_neither_search_nor_dismiss(kiosk):
    client = sign_in(VIEWER)

    found = client.get(LIST, {"q": "KIOSK-1"})
    one = client.get(LIST, {"identifier": kiosk.pk}).content.decode()
    client.post(f"{LIST}?identifier={kiosk.pk}", {"action": "dismiss_chosen", "index": "0", "select_across": "1",
                "_selected_action": "0", "apply": "1"})  # fmt: skip

    assert len(found.context["cl"].result_list) == 0
    assert "Only those who may see personal data" in found.content.decode()
    assert "2 open conflicts name it" in one
    assert "dismiss_chosen" not in one
    assert IdentityConflict.objects.open().count() == 2


def test_the_page_of_a_conflict_leads_to_the_others_of_its_identifier(kiosk):
    found = IdentityConflict.objects.filter(left_out=kiosk).first()

    text = sign_in(OPERATOR).get(f"{LIST}{found.pk}/change/").content.decode()

    url = f"{LIST}?identifier={kiosk.pk}&amp;state__exact=open"
    assert f'<a class="st-link" href="{url}">2 open conflicts name it</a>' in text
    assert f"identifier={found.anchor_id}" not in text


def shown(comparison):
    """Words and loudness of each cell, and the note, by the label of the row."""
    return {
        row.label: ([(*cell.words, cell.is_loud) for cell in row.cells], row.note)
        for group in comparison.groups
        for row in group.rows
        if row.label
    }


def test_a_move_that_changes_neither_word_nor_attribute_says_so():
    """B named the device of A; each has said yes or no and where they live."""
    till = SourceFactory(key="till")
    send(till, identify(user="a", at=0, city="Oslo", consents={"email": True}), identify(user="a", anonymous="d", at=1))
    send(till, identify(user="b", anonymous="d", at=2, city="Rome", consents={"email": False}))
    conflict = IdentityConflict.objects.get()

    rows = shown(sign_in(OPERATOR).get(f"{LIST}{conflict.pk}/move/").context["comparison"])

    assert rows["City"] == ([("Oslo", False), ("Rome", False), ("Oslo", False), ("Rome", False)], "")
    words = [("Granted", False), ("Denied", False), ("Granted", False), ("Denied", False)]
    assert rows["Consent: email"] == (words, "")


def test_a_move_is_loud_about_what_goes_with_the_identifier():
    """The device brought its city first, as an anonymous visitor: it goes to B, who has none of their own."""
    till = SourceFactory(key="till")
    send(till, identify(anonymous="d", at=0, city="Oslo", consents={"email": False}), identify(user="a", at=1))
    send(till, identify(user="a", anonymous="d", at=2), identify(user="b", at=3, consents={"email": True}))
    send(till, identify(user="b", anonymous="d", at=4))
    conflict = IdentityConflict.objects.get()

    rows = shown(sign_in(OPERATOR).get(f"{LIST}{conflict.pk}/move/").context["comparison"])

    assert rows["City"] == ([("Oslo", False), (False,), (True,), ("Oslo", True)], "")
    words = [("Denied", False), ("Granted", False), (True,), ("Denied", True)]
    assert rows["Consent: email"] == (words, "The stricter word counts.")


def test_who_has_nothing_but_what_is_moved_is_gone_afterwards():
    till = SourceFactory(key="till")
    send(till, identify(user="a", anonymous="d", at=0), identify(user="b", anonymous="d", at=1, city="Rome"))
    conflict = IdentityConflict.objects.get()
    split_profile(conflict.left_out.profile, [conflict.left_out], user=None, now=START)
    IdentityConflict.objects.update(state="open")

    comparison = sign_in(OPERATOR).get(f"{LIST}{conflict.pk}/move/").context["comparison"]

    notes = [(column.note, column.is_after) for column in comparison.columns]
    assert notes == [("Now", False), ("Now", False), ("With it", True)]
    assert shown(comparison)["City"] == ([(False,), ("Rome", False), ("Rome", True)], "")
