"""What was put into a segment for many people, and its taking back, on the page of members."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cdp.models import Run
from cdp.roles import OPERATOR, VIEWER
from segments.models import Membership
from segments.services.joining import put_in, queue_joining, take_back
from tests.factories.cdp import UserFactory
from tests.factories.profiles import ProfileFactory
from tests.factories.segments import StaticSegmentFactory
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db


def put_many(segment, now, *, n=2):
    people = ProfileFactory.create_batch(n)
    joining = queue_joining(
        segment, [each.pk for each in people], chosen_by="in “Loyal”", unknown=["bo@example.com"], user=UserFactory()
    )
    put_in(joining.run, now=now)
    return joining


def test_what_was_put_in_is_listed_and_taken_back(now):
    segment = StaticSegmentFactory()
    joining = put_many(segment, now)
    client = sign_in(OPERATOR)
    members, undo = (
        f"/admin/segments/segment/{segment.pk}/members/",
        f"/admin/segments/segment/joining/{joining.pk}/undo/",
    )

    too_early = client.post(undo, follow=True).content.decode()
    Run.objects.update(state=Run.State.SUCCEEDED, ended_at=now)
    page = client.get(members).content.decode()
    said = client.post(undo, follow=True).content.decode()
    take_back(Run.objects.get(kind="unjoin_people"), now=now)

    assert "still under way" in too_early
    assert "in “Loyal”" in page
    assert "2 put in, 0 were in already" in page
    assert "bo@example.com" in page
    assert undo in page
    assert "It is being taken back." in said
    assert undo not in said
    assert not Membership.objects.exists()


def test_the_list_of_what_was_put_in_costs_the_same_however_long_it_is(now, django_assert_num_queries):
    segment = StaticSegmentFactory()
    client = sign_in(OPERATOR)
    put_many(segment, now)
    members = f"/admin/segments/segment/{segment.pk}/members/"
    client.get(members)
    with CaptureQueriesContext(connection) as one:
        client.get(members)

    for _more in range(3):
        put_many(segment, now)

    with django_assert_num_queries(len(one)):
        client.get(members)


def test_who_only_reads_takes_nothing_back(now):
    segment = StaticSegmentFactory()
    joining = put_many(segment, now)
    Run.objects.update(state=Run.State.SUCCEEDED, ended_at=now)
    client = sign_in(VIEWER)

    page = client.get(f"/admin/segments/segment/{segment.pk}/members/?again={joining.pk}").content.decode()

    assert "undo/" not in page
    assert "bo@example.com" not in page
    assert client.post(f"/admin/segments/segment/joining/{joining.pk}/undo/").status_code == 403
    assert Run.objects.count() == 1


@pytest.mark.parametrize("again", ["x", "0", "9" * 30, "other"])
def test_what_is_no_list_of_the_segment_is_not_asked_again(again, now):
    other = put_many(StaticSegmentFactory(), now)
    address = f"/admin/segments/segment/{StaticSegmentFactory().pk}/members/"

    answer = sign_in(OPERATOR).get(address, {"again": str(other.pk) if again == "other" else again})

    assert (answer.status_code, answer.context["not_found"]) == (200, [])
