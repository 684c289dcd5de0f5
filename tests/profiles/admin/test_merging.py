"""Merging people by hand in the admin."""

from datetime import timedelta

import pytest
from django.utils import timezone

from cdp.roles import OPERATOR, PRIVACY_OFFICER, VIEWER
from profiles.admin.merging import MAX_AT_ONCE
from profiles.masking import MASK
from profiles.models import Event, Identifier, Profile, ProfileChange, ProfileMerge
from profiles.services.identity.preview import preview_merge
from tests.factories.profiles import IdentifierFactory, ProfileFactory, SourceFactory
from tests.factories.tags import TagAssignmentFactory
from tests.profiles.ingest.messages import START, identify, profile_of, send
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db
MERGE = "/admin/profiles/profile/merge/"
LIST = "/admin/profiles/profile/"


@pytest.fixture
def ann():
    """Seen first."""
    traits = {"city": "Oslo", "name": "Ann", "consents": {"email": True}}
    send(SourceFactory(key="shop"), identify(email="ann@example.com", at=0, **traits))
    return profile_of("email", "ann@example.com")


@pytest.fixture
def visitor(ann):
    send(SourceFactory(key="till"), identify(anonymous="a1", at=5, city="Rome", consents={"email": False}))
    return profile_of("anonymous_id", "a1")


def rows_of(comparison):
    return {
        row.label or str(group.title): [cell.words for cell in row.cells]
        for group in comparison.groups
        for row in group.rows
    }


def everything():
    return [
        list(model.objects.order_by("pk").values())
        for model in (Profile, Identifier, Event, ProfileMerge, ProfileChange)
    ]


def test_the_preview_shows_what_will_be_and_changes_nothing(ann, visitor):
    tag = TagAssignmentFactory(profile=visitor, tag__name="VIP").tag
    before = everything()

    page = sign_in(OPERATOR).get(MERGE, {"id": [visitor.pk, ann.pk]})

    comparison = page.context["comparison"]
    rows = rows_of(comparison)
    assert [column.is_after for column in comparison.columns] == [False, False, True]
    assert comparison.columns[2].short_id == str(ann.public_id)[:8]
    assert rows["City"] == [["Rome"], ["Oslo"], ["Rome"]]
    assert rows["Name"] == [[], ["Ann"], ["Ann"]]
    assert rows["Identifiers"][2] == ["Email ann@example.com", "Anonymous id a1"]
    assert rows["Consent: email"] == [["Denied"], ["Granted"], ["Denied"]]
    assert "The stricter word counts." in page.content.decode()
    assert rows["Tags"] == [[tag.name], [], [tag.name]]
    assert rows["Events"] == [["1"], ["1"], ["2"]]
    assert everything() == before


def test_what_a_preview_shows_is_what_becomes(ann, visitor):
    client = sign_in(OPERATOR)
    (foreseen,) = preview_merge([ann.pk, visitor.pk], user=None, now=START + timedelta(days=1)).after

    answer = client.post(MERGE, {"id": [visitor.pk, ann.pk]}, follow=True)

    assert answer.redirect_chain == [(f"{LIST}{ann.pk}/change/", 302)]
    assert "The history shows it, and can undo it." in answer.content.decode()
    ann.refresh_from_db()
    assert ann.attributes == foreseen.profile.attributes
    assert set(ann.identifiers.all()) == set(foreseen.identifiers)
    merge = ProfileMerge.objects.get()
    assert (merge.absorbed, merge.cause, merge.merged_by) == (visitor, "manual", answer.wsgi_request.user)
    assert abs(merge.merged_at - timezone.now()) < timedelta(minutes=1)


def test_a_limit_stands_in_the_way_and_nothing_can_be_confirmed():
    one, other = IdentifierFactory(value="u1").profile, IdentifierFactory(value="u2").profile
    client = sign_in(OPERATOR)

    page = client.get(MERGE, {"id": [one.pk, other.pk]})
    client.post(MERGE, {"id": [one.pk, other.pk]})

    assert page.context["refused"] == "One person may have 1 User id, and these would have 2: u1, u2."
    assert 'method="post" action="/admin/profiles/profile/merge/"' not in page.content.decode()
    assert not ProfileMerge.objects.exists()


def test_a_person_is_looked_for_by_name_or_identifier_and_added(ann, visitor):
    client = sign_in(OPERATOR)

    by_name = client.get(MERGE, {"id": visitor.pk, "q": "an"}).context["found"]
    by_mail = client.get(MERGE, {"id": visitor.pk, "q": "ANN@example.com"}).context["found"]
    by_own = client.get(MERGE, {"id": visitor.pk, "q": "a1"}).context["found"]

    assert [name for name, *_rest in by_name] == [name for name, *_rest in by_mail] == ["Ann"]
    assert by_name[0][3] == f"{MERGE}?id={visitor.pk}&id={ann.pk}"
    assert by_own == []


def test_those_who_are_ticked_in_the_list_are_compared():
    people = ProfileFactory.create_batch(MAX_AT_ONCE + 1)

    answer = sign_in(OPERATOR).post(
        LIST, {"action": "merge_chosen", "_selected_action": [person.pk for person in people]}, follow=True
    )

    assert [each for each, *_rest in answer.context["chosen"]] == people[:MAX_AT_ONCE]
    assert "At most 5 at once." in answer.content.decode()


@pytest.mark.parametrize("ids", [[], ["x"], ["0", "99999999999999999999"], ["1"]])
def test_without_two_people_there_is_nothing_to_confirm(ids):
    page = sign_in(OPERATOR).get(MERGE, {"id": ids})

    assert page.status_code == 200
    assert "comparison" not in page.context


def test_a_merge_confirmed_twice_is_one_and_says_so(ann, visitor):
    client = sign_in(OPERATOR)
    client.post(MERGE, {"id": [ann.pk, visitor.pk]})

    client.post(MERGE, {"id": [ann.pk, visitor.pk]})

    assert ProfileMerge.objects.count() == 1


@pytest.mark.parametrize("role", [VIEWER, PRIVACY_OFFICER])
def test_others_merge_nobody(ann, visitor, role):
    client = sign_in(role)

    answers = [client.get(MERGE), client.post(MERGE, {"id": [ann.pk, visitor.pk]})]
    listed = client.post(LIST, {"action": "merge_chosen", "_selected_action": [ann.pk, visitor.pk]})

    assert [answer.status_code for answer in answers] == [403, 403]
    assert listed.status_code != 302 or MERGE not in listed["Location"]
    assert not ProfileMerge.objects.exists()
    assert MERGE not in client.get(f"{LIST}{ann.pk}/change/").content.decode()


@pytest.mark.parametrize(("role", "shown"), [(OPERATOR, "Ben"), (VIEWER, MASK)])
def test_the_list_of_merges_names_the_absorbed_as_they_were(ann, role, shown):
    """Their golden record has gone to the survivor; a column of nameless people says nothing."""
    send(SourceFactory(key="till"), identify(email="ben@example.com", at=1, name="Ben"))
    ben = profile_of("email", "ben@example.com")
    sign_in(OPERATOR).post(MERGE, {"id": [ann.pk, ben.pk]})

    page = sign_in(role).get("/admin/profiles/profilemerge/").content.decode()

    assert f"{shown} {str(ben.public_id)[:8]}" in page or f">{shown}</a>" in page
    assert "Without a name" not in page
