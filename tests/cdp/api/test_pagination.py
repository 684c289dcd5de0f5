import base64

import orjson
import pytest
from django.test import RequestFactory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_framework.request import Request

from campaigns.models import Campaign
from cdp.api.pagination import CursorPages
from cdp.models import Run, Webhook
from profiles.models import IdentityChange, Import, ImportedFile, ImportMapping, Profile, RejectedMessage
from profiles.refresh.versions import single, write_version
from segments.models import BulkJoining, Segment, SegmentDay, SizeAlert, Tier
from tags.models import BulkTagging, Tag, TagDay
from tests.cdp.api.world import filled, make_world, schema_paths
from tests.clients import api_of
from tests.factories.campaigns import CampaignFactory, DeliveryFactory, SuppressionFactory
from tests.factories.imports import ImportFactory, ImportMappingFactory
from tests.factories.profiles import (
    SEEN_AT,
    ConflictFactory,
    DuplicateSuggestionFactory,
    EventFactory,
    ProfileFactory,
    ProfileMergeFactory,
    SeparationFactory,
    SourceFactory,
)
from tests.factories.segments import (
    MembershipChangeFactory,
    MembershipFactory,
    SegmentFactory,
    TierChangeFactory,
    TierSchemeFactory,
    TierStandingFactory,
)
from tests.factories.tags import TagAssignmentFactory, TagChangeFactory, TagValueFactory
from tests.factories.webhooks import WebhookAttemptFactory, WebhookFactory

LISTS = {
    path: {part["name"] for part in operation.get("parameters", [])}
    for (method, path), operation in schema_paths().items()
    if method == "get"
}
pytestmark = pytest.mark.django_db


def make_two_of_each():
    """A world with at least two rows in each list."""
    world = make_world()
    ann = Profile.objects.get(public_id=world["profiles"])
    vip, loyal = Tag.objects.get(key="vip"), Segment.objects.get(key="loyal")
    imported = Import.objects.get(pk=world["imports"])
    Import.objects.filter(pk=imported.pk).update(started_at=SEEN_AT)
    bo, spring, gold = ProfileFactory(), Campaign.objects.get(key="spring"), Tier.objects.get(key="gold")
    EventFactory(profile=ann)
    TagAssignmentFactory(tag=vip, profile=bo)
    for key in ("gold", "silver"):
        TagValueFactory(tag=vip, key=key)
    TagChangeFactory(tag=vip, profile=bo)
    TagChangeFactory(tag=vip, profile=bo, before="", after=None)
    MembershipFactory(segment=loyal, profile=bo)
    MembershipChangeFactory(segment=loyal, profile=bo)
    SegmentFactory()
    TierStandingFactory(tier=gold, profile=bo)
    TierChangeFactory(tier=gold, profile=bo)
    TierSchemeFactory()
    DeliveryFactory(campaign=spring, profile=bo)
    CampaignFactory()
    ConflictFactory()
    DuplicateSuggestionFactory()
    ProfileMergeFactory(survivor=ann)
    SeparationFactory(left__profile=ann)
    IdentityChange.objects.bulk_create(
        IdentityChange(profile=bo.public_id, change="merged", into=ann.public_id, at=SEEN_AT) for _ in range(2)
    )
    ImportFactory(saved_mapping=ImportMappingFactory())
    for n in range(2):
        ImportedFile.objects.create(
            saved_mapping=ImportMapping.objects.get(key="members"),
            name=f"{n}.csv",
            size=1,
            modified_at=SEEN_AT,
            seen_at=SEEN_AT,
        )
        ImportFactory(source=imported.source, started_at=SEEN_AT, n_done=1, counts={"unchanged": 1})
    SuppressionFactory()
    RejectedMessage.objects.create(source=SourceFactory(), received_at=SEEN_AT, reason="no type", payload="{}")
    for day in (1, 2):
        SegmentDay.objects.create(segment=loyal, day=f"2026-01-0{day}", n_entered=1)
        SizeAlert.objects.create(segment=loyal, day=f"2026-01-0{day}", before=1, after=2)
        TagDay.objects.create(tag=vip, day=f"2026-01-0{day}", n_entered=1)
    WebhookAttemptFactory(message__webhook=Webhook.objects.get(key="shop"))
    WebhookFactory()
    make_runs(1)
    for run in make_runs(2):
        BulkTagging.objects.create(tag=vip, run=run, action="assign", profile_ids=[ann.pk])
        BulkJoining.objects.create(segment=loyal, run=run, profile_ids=[ann.pk])
    for holder in ("segment:loyal", "tag:vip", "tier:club"):
        for version in (1, 2):
            write_version(holder, version, single(None), user=None)
    return world


def make_runs(n):
    return Run.objects.bulk_create(Run(kind="refresh", subject=f"segment:{index}") for index in range(n))


def walk(api, url, way):
    pages = []
    while url:
        body = api.get(url).json()
        pages.append([row["id"] for row in body["results"]])
        url = body[way]
    return pages


def test_pages_follow_each_other_both_ways_and_keep_the_filters():
    api = api_of("viewer")
    ids = [run.pk for run in make_runs(5)][::-1]
    Run.objects.create(kind="score", subject="rfm")

    first = api.send("get", "runs/?kind=refresh&page_size=2").json()
    forwards = walk(api, "/api/v1/runs/?kind=refresh&page_size=2", "next")
    last = api.get(api.get(first["next"]).json()["next"]).json()

    assert forwards == [ids[:2], ids[2:4], ids[4:]]
    assert first["previous"] is None
    assert last["next"] is None
    assert walk(api, last["previous"], "previous") == [ids[2:4], ids[:2]]


def test_rows_that_come_and_go_shift_no_page():
    api = api_of("viewer")
    ids = [run.pk for run in make_runs(4)][::-1]
    first = api.send("get", "runs/?page_size=2").json()

    Run.objects.filter(pk=ids[1]).delete()
    make_runs(3)

    assert [row["id"] for row in api.get(first["next"]).json()["results"]] == ids[2:]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(states=st.lists(st.sampled_from(Run.State.values), max_size=8), page_size=st.integers(1, 4))
def test_ties_in_the_first_field_lose_nobody(states, page_size):
    Run.objects.all().delete()
    Run.objects.bulk_create(Run(kind="k", subject="s", state=state) for state in states)
    queryset = Run.objects.order_by("-state", "-id")
    url, seen = f"/?page_size={page_size}", []
    while url:
        pages = CursorPages()
        seen += pages.paginate_queryset(queryset, Request(RequestFactory().get(url)))
        url = pages.next

    assert seen == list(queryset)


@pytest.mark.parametrize("text", ["0", "1001", "-1", "ten", "", "1.5", "0000100", "٣"])
def test_a_bad_page_size_is_named(text):
    body = api_of("viewer").send("get", f"runs/?page_size={text}").json()

    assert body["status"] == 400
    assert [error["path"] for error in body["errors"]] == ["page_size"]


@pytest.mark.parametrize("path", [path for path, part in LISTS.items() if "cursor" in part])
def test_every_list_is_the_same_in_pages_and_at_once(path):
    world, api = make_two_of_each(), api_of("admin")
    url = f"/api/v1/{filled(path, world)}"
    at_once = api.get(url).json()["results"]

    seen, there = [], f"{url}?page_size=1"
    while there:
        last, page = there, api.get(there).json()
        seen, there = seen + page["results"], page["next"]
    back, there = [], last
    while there:
        page = api.get(there).json()
        back, there = page["results"] + back, page["previous"]

    assert len(at_once) >= 2
    assert seen == at_once
    assert back == at_once


@pytest.mark.parametrize("path", [path for path, part in LISTS.items() if "after" in part])
def test_every_feed_is_the_same_in_pages_and_at_once(path):
    world, api = make_two_of_each(), api_of("admin")
    url = f"/api/v1/{filled(path, world)}"
    at_once = api.get(url).json()["results"]

    seen, after = [], 0
    while rows := (page := api.get(f"{url}?page_size=1&after={after}").json())["results"]:
        seen, after = seen + rows, page["next_after"]

    assert len(at_once) >= 2
    assert seen == at_once


def encoded(value):
    return base64.urlsafe_b64encode(orjson.dumps(value)).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "你好", "%00", *map(encoded, [1, None, [], ["n"], ["n", 1, 2], ["q", 1], ["n", "x"], ["n", None],
     ["n", -1], ["n", 2**63], ["n", [1]], ["n", True], ["n", 1.5], {"n": 1}])],
)  # fmt: skip
def test_a_bad_cursor_is_named(cursor):
    body = api_of("viewer").send("get", f"runs/?cursor={cursor}").json()

    assert body["status"] == 400
    assert [error["path"] for error in body["errors"]] == ["cursor"]
