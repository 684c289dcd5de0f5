"""Conflicts in the admin."""

import pytest

from cdp.roles import OPERATOR, VIEWER
from profiles.models import IdentityConflict
from tests.factories.profiles import SourceFactory
from tests.profiles.ingest.messages import identify, profile_of, send
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
