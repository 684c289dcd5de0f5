"""The operator `consent`: the word in force, as the profile page and the API have it."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils.translation import override

from cdp.local_settings import set_local
from cdp.rules.compile import compile_rule
from cdp.rules.describe import describe_rule
from cdp.rules.errors import Problem, RuleError
from cdp.rules.parse import parse_rule
from cdp.rules.scope import EVERYBODY, Scope
from profiles.models import Consent, Profile
from tests.factories.profiles import ConsentFactory, ProfileFactory
from tests.matching import matching, where_of

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def says(state):
    return {"op": "consent", "channel": "email", "is": state}


def person(*words, channel="email"):
    """Somebody who said (state, time) each."""
    profile = ProfileFactory()
    for state, at in words:
        ConsentFactory(profile=profile, state=state, occurred_at=at, channel=channel)
    return profile.pk


def test_the_latest_word_counts_and_of_two_at_once_the_denial(now):
    granted = {person(("denied", now - DAY), ("granted", now)), person(("granted", now + DAY))}
    denied = {
        person(("granted", now - DAY), ("denied", now)),
        person(("denied", now), ("granted", now)),
        person(("granted", now), ("denied", now), ("granted", now - DAY)),
        person(("denied", now)),
    }
    unknown = {ProfileFactory().pk, person(("granted", now), channel="sms")}

    assert matching(says("granted"), now) == granted
    assert matching(says("denied"), now) == denied
    assert matching(says("unknown"), now) == unknown
    assert matching({"not": says("granted")}, now) == denied | unknown
    in_force = Consent.objects.filter(channel="email").in_force()
    assert {word.profile_id for word in in_force if word.state == "granted"} == granted
    assert {word.profile_id for word in in_force if word.state == "denied"} == denied


def test_sql(now):
    assert where_of(says("unknown"), now) == (
        "NOT (EXISTS(SELECT 1 AS a FROM profiles_consent U0 WHERE (U0.channel = 'email' "
        "AND U0.profile_id = (id)) LIMIT 1))"
    )
    granted = "MAX(U0.occurred_at) FILTER (WHERE (U0.state = 'granted'))"
    denied = "MAX(U0.occurred_at) FILTER (WHERE (U0.state = 'denied'))"
    assert where_of(says("denied"), now, Scope([7])) == (
        "((id = ANY('{7}'::bigint[])) AND EXISTS (SELECT 1 FROM (SELECT U0.profile_id AS profile_id "
        "FROM profiles_consent U0 WHERE ((U0.profile_id = ANY('{7}'::bigint[])) AND U0.channel = 'email') GROUP BY 1 "
        f"HAVING ({denied} IS NOT NULL AND ({granted} IS NULL OR {denied} >= ({granted})))"
        ") AS found (profile_id) WHERE found.profile_id = id))"
    )


@pytest.mark.parametrize(
    "rule", [says("denied"), {"not": says("granted")}, {"any": [says("granted"), {"not": says("denied")}]}]
)
@pytest.mark.parametrize("work_mem", ["4MB", "64kB"])
def test_no_plan_scans_a_list_again_for_every_profile(rule, work_mem, now):
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO profiles_profile (public_id, attributes, first_seen_at, created_at) "
            "SELECT gen_random_uuid(), '{}', %s, %s FROM generate_series(1, 5000)",
            [now, now],
        )
        cursor.execute(
            "INSERT INTO profiles_consent (profile_id, origin_id, channel, state, occurred_at, message_id) "
            "SELECT p.id, p.id, 'email', 'granted', %s - n * interval '1 day', '' "
            "FROM profiles_profile p, generate_series(1, 3) n",
            [now],
        )
        cursor.execute("ANALYZE profiles_profile, profiles_consent")
    found = Profile.objects.filter(compile_rule(parse_rule(rule), scope=EVERYBODY, now=now)).values("pk")

    with transaction.atomic():
        set_local(work_mem=work_mem, hash_mem_multiplier="1")
        plan = found.explain()

    assert "Materialize" not in plan


def test_channel_and_state_are_of_those_that_there_are():
    with pytest.raises(RuleError) as refused:
        parse_rule({"op": "consent", "channel": "pigeon", "is": "maybe"})

    assert refused.value.problems == [
        Problem("channel", "must be one of: email, sms, phone, push, wechat, post"),
        Problem("is", "must be one of: granted, denied, unknown"),
    ]


def test_the_sentence_and_the_topic():
    assert parse_rule(says("granted")).topics() == {"consent:email"}
    assert [describe_rule(parse_rule(says(state))) for state in ("granted", "denied", "unknown")] == [
        "has consented to “email”",
        "has refused “email”",
        "has said neither yes nor no to “email”",
    ]
    with override("zh-hans"):
        assert [describe_rule(parse_rule(says(state))) for state in ("granted", "denied", "unknown")] == [
            "已同意“邮件”",
            "已拒绝“邮件”",
            "对“邮件”未表态",
        ]
