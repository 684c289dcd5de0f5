"""`profiles/{id}/explain/`: why a person is in, and why not."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from profiles.masking import MASK
from profiles.models import HolderClock, Lane, ProfileChange
from profiles.refresh.queue import queue_full_refresh
from profiles.services import explain
from segments.explainables import ExplainedSegment
from segments.models import Segment
from tags.models import Tag
from tests.clients import api_of
from tests.factories.profiles import EventFactory, ProfileFactory
from tests.factories.segments import (
    MembershipChangeFactory,
    MembershipFactory,
    SegmentFactory,
    StaticSegmentFactory,
    TierChangeFactory,
    TierSchemeFactory,
    TierStandingFactory,
    lives_in,
)
from tests.factories.tags import TagAssignmentFactory, TagChangeFactory, TagFactory, TagValueFactory

pytestmark = pytest.mark.django_db
AT = datetime(2026, 1, 1, tzinfo=UTC)
OSLO = lives_in("Oslo")
NOBODY = {"op": "attribute", "key": "city", "is": "eq", "value": "Atlantis"}


@pytest.fixture
def ann():
    return ProfileFactory(attributes={"city": "Oslo", "name": "Ann"})


def segment_of(rule, **given):
    return SegmentFactory(rule=rule, refreshed_at=AT, **given)


def asked(person, *, role="operator", **query):
    return api_of(role).get(f"/api/v1/profiles/{person.public_id}/explain/", query)


def difference(person, segment):
    found = asked(person, segment=segment.key).json()["difference"]
    return found and found["code"]


def test_every_node_of_the_rule_says_whether_it_matched_and_what_was_found(ann):
    rule = {"all": [OSLO, {"not": {"op": "event", "name": "Buy"}}, {"any": [NOBODY, OSLO]}]}
    segment = segment_of(rule, key="loyal", name="Loyal")
    MembershipFactory(segment=segment, profile=ann)
    MembershipChangeFactory(segment=segment, profile=ann, cause="rule")

    body = asked(ann, segment="loyal").json()

    fact = {"text": "City is Oslo", "value": "Oslo", "at": None}
    oslo = OSLO | {"matched": True, "says": "City is “Oslo”", "facts": [fact]}
    bought = {
        "op": "event", "name": "Buy", "matched": False, "says": "did “Buy”",
        "facts": [{"text": "nobody has sent “Buy” yet", "value": None, "at": None}],
    }  # fmt: skip
    nobody = NOBODY | {"matched": False, "says": "City is “Atlantis”", "facts": [fact]}
    assert body.pop("at") is not None
    assert body == {
        "all": [
            oslo,
            {"not": bought, "matched": True, "says": "this does not hold"},
            {"any": [nobody, oslo], "matched": True, "says": "at least one of these holds"},
        ],
        "matched": True,
        "says": "all of these hold",
        "profile": str(ann.public_id),
        "about": {"kind": "segment", "key": "loyal", "name": "Loyal"},
        "error": "",
        "standing": {"outcome": None, "since": "2026-01-01T00:00:00Z", "until": None, "by": "rule"},
        "changes": [
            {"change": "entered", "before": None, "after": None, "cause": "rule", "at": "2026-01-01T00:00:00Z"}
        ],
        "difference": None,
    }


def test_the_id_of_somebody_merged_away_answers_with_the_survivor(ann):
    absorbed = ProfileFactory(merged_into=ann)

    body = asked(absorbed, segment=segment_of(OSLO).key).json()

    assert (body["profile"], body["matched"]) == (str(ann.public_id), True)


def test_of_a_tag_each_value_is_explained_and_the_first_match_is_chosen(ann):
    tag = TagFactory(key="card", kind=Tag.Kind.RULE, refreshed_at=AT)
    for key, rule in (("gold", NOBODY), ("silver", OSLO), ("blue", OSLO)):
        TagValueFactory(tag=tag, key=key, name=key.title(), rule=rule)
    TagAssignmentFactory(tag=tag, value=tag.values.get(key="silver"), profile=ann)
    TagChangeFactory(tag=tag, profile=ann, before="blue", after="silver")

    body = asked(ann, tag="card").json()

    assert [(value["key"], value["matched"], value["rule"]["matched"]) for value in body["values"]] == [
        ("gold", False, False),
        ("silver", True, True),
        ("blue", True, True),
    ]
    assert (body["chosen"], body["matched"], body["difference"]) == ("silver", True, None)
    assert [(turn["before"], turn["after"]) for turn in body["changes"]] == [("blue", "silver")]
    assert body["standing"] == {"outcome": "silver", "since": "2026-01-01T00:00:00Z", "until": None, "by": "rule"}


def test_of_a_tag_without_values_it_is_one_rule(ann):
    TagFactory(key="local", kind=Tag.Kind.RULE, rule=OSLO, refreshed_at=AT)

    body = asked(ann, tag="local").json()

    assert (body["op"], body["matched"], body["standing"]) == ("attribute", True, None)


def test_of_a_tier_scheme_each_tier_is_explained_and_the_lowest_takes_the_rest(ann):
    scheme = TierSchemeFactory(key="club", tiers={"gold": NOBODY, "basic": None}, refreshed_at=AT)
    TierStandingFactory(tier=scheme.tiers.get(key="basic"), profile=ann)
    TierChangeFactory(tier=scheme.tiers.get(key="basic"), before="gold", profile=ann)

    body = asked(ann, tier_scheme="club").json()

    assert [(tier["key"], tier["matched"]) for tier in body["tiers"]] == [("gold", False), ("basic", True)]
    assert body["tiers"][1]["rule"] is None
    assert (body["chosen"], body["difference"]) == ("basic", None)
    assert [(turn["change"], turn["before"], turn["after"]) for turn in body["changes"]] == [("moved", "gold", "basic")]


def test_what_hands_fill_has_no_rule_to_explain(ann):
    segment = StaticSegmentFactory()
    MembershipFactory(segment=segment, profile=ann, origin=ann)
    TagFactory(key="vip")

    by_hand = asked(ann, segment=segment.key).json()

    assert (by_hand["matched"], by_hand["standing"]["by"]) == (None, "hand")
    assert by_hand["difference"]["code"] == "by_hand"
    assert asked(ann, tag="vip").json()["difference"]["code"] == "by_hand"


def test_a_snapshot_and_an_archived_segment_say_so(ann):
    frozen = segment_of(OSLO, kind=Segment.Kind.SNAPSHOT)
    archived = segment_of(OSLO, archived_at=AT)

    TagFactory(key="draft", kind=Tag.Kind.RULE, rule=OSLO, lifecycle=Tag.Lifecycle.DRAFT)

    assert asked(ann, tag="draft").json()["difference"]["code"] == "draft"
    assert difference(ann, frozen) == "snapshot"
    assert difference(ann, archived) == "archived"


def test_a_difference_is_explained_by_what_is_about_to_happen(ann):
    unfilled, segment = SegmentFactory(rule=OSLO), segment_of(OSLO)

    assert difference(ann, unfilled) == "not_filled"
    assert difference(ann, segment) == "unknown"
    ProfileChange.objects.create(profile_id=ann.pk, topic="attribute:gender", due_at=AT)
    assert difference(ann, segment) == "unknown"
    ProfileChange.objects.create(profile_id=ann.pk, topic="attribute:city", due_at=AT)
    assert difference(ann, segment) == "queued"
    queue_full_refresh(f"segment:{segment.key}")
    assert difference(ann, segment) == "rebuilding"


def test_what_waits_for_another_holder_or_came_with_a_merge_is_waited_for(ann):
    inner = segment_of(OSLO, key="inner")
    MembershipFactory(segment=inner, profile=ann)
    outer = segment_of({"op": "segment", "key": "inner"}, key="outer")
    absorbed = ProfileFactory(merged_into=ann)

    assert difference(ann, outer) == "unknown"
    ProfileChange.objects.create(profile_id=absorbed.pk, topic="attribute:city", due_at=AT, lane=Lane.LIVE)
    assert difference(ann, outer) == "queued"


def test_time_alone_may_have_changed_the_answer(ann):
    now = timezone.now()
    EventFactory(profile=ann, definition__name="Buy", occurred_at=now - timedelta(days=30, seconds=20))
    segment = segment_of({"op": "event", "name": "Buy", "within": {"last_days": 30}})
    MembershipFactory(segment=segment, profile=ann)
    HolderClock.objects.create(holder=f"segment:{segment.key}", clocked_at=now - timedelta(minutes=1))

    assert difference(ann, segment) == "time"


def test_a_rule_that_fails_is_named_and_the_others_are_judged(ann):
    segment = segment_of({"op": "attribute", "key": "gone", "is": "eq", "value": "Ann"})
    scheme = TierSchemeFactory(tiers={"gold": segment.rule, "silver": OSLO}, refreshed_at=AT)
    failed = segment_of(OSLO, refresh_error="division by zero")

    body = asked(ann, segment=segment.key).json()
    tiers = asked(ann, tier_scheme=scheme.key).json()

    assert (body["matched"], body["difference"]["code"]) == (False, "failing")
    assert body["error"] == "This rule can no longer be read: key: no attribute 'gone' is defined"
    assert [tier["matched"] for tier in tiers["tiers"]] == [False, True]
    assert tiers["difference"]["code"] == difference(ann, failed) == "failing"


def test_personal_values_are_hidden_in_the_rule_its_sentence_and_the_facts(ann):
    rule = {"all": [{"op": "attribute", "key": "name", "is": "eq", "value": "Ann"}, OSLO]}
    segment = segment_of(rule)

    name, city = asked(ann, role="viewer", segment=segment.key).json()["all"]

    assert (name["value"], name["says"]) == (MASK, f"Name is {MASK}")
    assert name["facts"] == [{"text": f"Name is {MASK}", "value": MASK, "at": None}]
    assert city["facts"][0]["value"] == "Oslo"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({}, 400),
        ({"segment": "a", "tag": "b"}, 400),
        ({"segment": "none-such"}, 400),
        ({"tag": "none-such"}, 400),
        ({"tier_scheme": "none-such"}, 400),
        ({"scheme": "club"}, 400),
    ],
)
def test_what_cannot_be_explained_is_refused(ann, query, status):
    assert asked(ann, **query).status_code == status


def test_nobody_is_explained_without_a_role(ann):
    assert asked(ann, role=None, segment=segment_of(OSLO).key).status_code == 403


def test_nobody_is_404(ann):
    answer = api_of("operator").send("get", "profiles/00000000-0000-0000-0000-000000000001/explain/?segment=a")

    assert answer.status_code == 404


def test_what_takes_too_long_is_cancelled(ann, monkeypatch):
    monkeypatch.setattr(explain, "TIMEOUT_SECONDS", 0.001)
    segment = segment_of({"any": [OSLO | {"is": "contains", "value": f"{n}" * 50} for n in range(190)]})

    answer = asked(ann, segment=segment.key)

    assert answer.status_code == 503
    assert answer.json()["type"].endswith("/explain-timeout")


class SlowSegments(ExplainedSegment):
    """Each of its questions takes a while."""

    def standing(self, filled, profile_id, now):
        self.wait()
        return super().standing(filled, profile_id, now)

    def turns(self, filled, profile_id, limit):
        self.wait()
        return super().turns(filled, profile_id, limit)

    def wait(self):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(0.6)")


def test_all_of_it_together_has_the_time_and_not_each_question(ann, now, monkeypatch):
    monkeypatch.setattr(explain, "TIMEOUT_SECONDS", 1)
    kind = SlowSegments()

    with pytest.raises(explain.ExplainTimeout, match="takes longer than 1 second"):
        explain.explain(kind, kind.find(segment_of(OSLO).key), ann, now=now)
