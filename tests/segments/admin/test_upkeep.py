"""Duplicating, archiving and restoring in the admin."""

import re

import pytest

from cdp.roles import OPERATOR, VIEWER
from segments.models import Segment
from segments.services.fill import queue_fill
from tests.factories.profiles import SEEN_AT
from tests.factories.segments import SegmentFactory
from tests.factories.tags import TagFactory
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db
LIST = "/admin/segments/segment/"


def test_a_segment_is_archived_left_out_of_the_list_and_restored():
    segment = SegmentFactory(name="Old hands")
    client = sign_in(OPERATOR)
    address = f"{LIST}{segment.pk}/archive/"

    archived = client.post(address, follow=True).content.decode()
    listed = client.get(LIST).content.decode()
    archive = client.get(f"{LIST}?archived=yes").content.decode()
    client.post(address, {"restore": "1"})

    assert "it keeps its members, is not refreshed" in archived
    assert "Old hands" not in listed
    assert "Old hands" in archive
    assert Segment.objects.get().archived_at is None


def test_what_is_used_says_by_whom_and_stays():
    segment = SegmentFactory(key="inner")
    SegmentFactory(name="Outer", rule={"op": "segment", "key": "inner"})

    page = sign_in(OPERATOR).post(f"{LIST}{segment.pk}/archive/", follow=True).content.decode()

    assert "is still used by: Outer" in page
    assert not Segment.objects.filter(archived_at__isnull=False).exists()


def test_a_copy_is_offered_a_free_key_and_says_where_it_is_taken():
    segment = SegmentFactory(key="oslo", name="Oslo")
    SegmentFactory(key="oslo-2")
    client = sign_in(OPERATOR)
    address = f"{LIST}{segment.pk}/duplicate/"

    offered = client.get(address).context["form"].initial
    taken = client.post(address, {"name": "Copy", "key": "oslo-2", "what": "same"})
    client.post(address, {"name": "Then", "key": "oslo-3", "what": "snapshot"})

    assert (offered["key"], offered["what"]) == ("oslo-3", "same")
    assert "key" in taken.context["form"].errors
    assert Segment.objects.get(key="oslo-3").kind == "snapshot"


@pytest.mark.parametrize("what", ["duplicate", "archive"])
def test_who_only_reads_may_not(what):
    segment = SegmentFactory()

    assert sign_in(VIEWER).post(f"{LIST}{segment.pk}/{what}/").status_code == 403


def test_a_key_is_made_of_the_name_where_none_is_given():
    client = sign_in(OPERATOR)
    form = {"kind": "static", "category": "", "description": "", "alert_percent": ""}

    for name in ("Loyal people", "Loyal people", "金卡", "银卡"):
        client.post("/admin/segments/segment/add/", form | {"name": name, "key": ""})

    assert list(Segment.objects.order_by("pk").values_list("key", flat=True)) == [
        "loyal-people", "loyal-people-2", "jin-ka", "yin-ka"
    ]  # fmt: skip


@pytest.mark.parametrize("thing", [SegmentFactory, TagFactory])
def test_categories_in_use_are_offered_and_another_may_be_written(thing):
    made = [thing(category=category) for category in ("Sales", "Care & repair", "Sales", "")]
    address = f"/admin/{made[0]._meta.app_label}/{made[0]._meta.model_name}"
    client = sign_in(OPERATOR)

    for page in (client.get(f"{address}/add/"), client.get(f"{address}/{made[3].pk}/change/")):
        field = str(page.context["adminform"].form["category"])
        assert re.findall('<option value="([^"]*)"', field) == ["Care &amp; repair", "Sales"]
        assert 'maxlength="50"' in field


def test_the_page_of_a_snapshot_says_when_it_was_frozen_and_nothing_of_refreshes():
    frozen = SegmentFactory(kind="snapshot", refreshed_at=SEEN_AT)
    coming = SegmentFactory(kind="snapshot")
    queue_fill(coming, user=None)

    client = sign_in(VIEWER)
    pages = [client.get(f"{LIST}{segment.pk}/change/").content.decode() for segment in (frozen, coming)]

    assert ["2026-01-01 08:00:00" in page for page in pages] == [True, False]
    assert ["It is being filled." in page for page in pages] == [False, True]
    assert not any("Last nightly check" in page for page in pages)
