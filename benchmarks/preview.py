"""The preview of each operator over HTTP, beside the same count by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from statistics import median
from typing import Any

from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from benchmarks.crowd import ORDER, Crowd, crowded
from benchmarks.facts import SCHEME, SEGMENT, TAG, make_facts
from benchmarks.figure import Figure, Sizes, Stopwatch, benchmark, stopwatch
from cdp.local_settings import HEAVY_WORK_MEM, set_local
from cdp.roles import ADMIN
from cdp.tokens import issue_token

TRIES = 5
COUNTED_OTHERWISE = {"bucket", "attribute_anniversary"}  # another draw; 29 February
FLOOR = "the same count and sample by hand"
VIEW = "Page Viewed"

# Whoever meets the rule, as a condition on profiles_profile AS profile.
ATTRIBUTE = {"op": "attribute", "key": "city", "is": "in", "value": ["Oslo", "Rome"]}
DID = "FROM profiles_event WHERE definition_id = %(order)s AND occurred_at <= %(now)s"
YEAR = "AND occurred_at > %(now)s - interval '365 days'"
PREVIEWS: dict[str, tuple[dict[str, Any], str]] = {
    "attribute": (ATTRIBUTE, "attributes ->> 'city' IN ('Oslo', 'Rome')"),
    "attribute_text": (
        {"op": "attribute", "key": "name", "is": "contains", "value": "on 77"},
        "lower(attributes ->> 'name') LIKE '%%on 77%%'",
    ),
    "attribute_anniversary": (
        {"op": "attribute", "key": "birthday", "is": "anniversary_in_next", "value": {"days": 7}},
        "substr(attributes ->> 'birthday', 6) IN (SELECT to_char((%(now)s AT TIME ZONE 'Asia/Shanghai')::date + i, "
        "'MM-DD') FROM generate_series(0, 6) AS i)",
    ),
    "attribute_known": (
        {"op": "attribute", "key": "is_known", "is": "eq", "value": True},
        "EXISTS (SELECT 1 FROM profiles_identifier AS identifier JOIN profiles_identifierkind AS kind "
        "ON kind.id = kind_id WHERE is_personal AND profile_id = profile.id)",
    ),
    "event": (
        {"op": "event", "name": ORDER, "within": {"last_days": 30}},
        f"id IN (SELECT profile_id {DID} AND occurred_at > %(now)s - interval '30 days')",
    ),
    "event_sum": (
        {"op": "event", "name": ORDER, "within": {"last_days": 365}, "measure": {"sum": "$value"}, "is": "gte",
         "value": 120},
        f"id IN (SELECT profile_id {DID} {YEAR} GROUP BY profile_id HAVING sum(value::numeric) >= 120)",
    ),
    "event_sum_ever": (
        {"op": "event", "name": ORDER, "measure": {"sum": "$value"}, "is": "gte", "value": 120},
        f"id IN (SELECT profile_id {DID} GROUP BY profile_id HAVING sum(value::numeric) >= 120)",
    ),
    "event_count_below": (
        {"op": "event", "name": VIEW, "is": "lt", "value": 3},
        "id NOT IN (SELECT profile_id FROM profiles_event WHERE definition_id = %(view)s AND occurred_at <= %(now)s "
        "GROUP BY profile_id HAVING count(*) >= 3)",
    ),
    "event_days": (
        {"op": "event", "name": ORDER, "within": {"last_days": 365}, "measure": "days", "is": "gte", "value": 3},
        f"id IN (SELECT profile_id {DID} {YEAR} GROUP BY profile_id "
        "HAVING count(DISTINCT (occurred_at AT TIME ZONE 'Asia/Shanghai')::date) >= 3)",
    ),
    "event_where": (
        {"op": "event", "name": ORDER, "within": {"last_days": 365},
         "where": [{"key": "category", "is": "eq", "value": "c3"}, {"key": "total", "is": "gt", "value": 50}]},
        f"id IN (SELECT profile_id {DID} {YEAR} AND properties ->> 'category' = 'c3' "
        "AND (properties ->> 'total')::numeric > 50)",
    ),
    "event_items": (
        {"op": "event", "name": ORDER, "within": {"last_days": 365},
         "where": [{"key": "products.category", "is": "eq", "value": "c3"}],
         "measure": {"sum": "products.price"}, "is": "gte", "value": 40},
        "id IN (SELECT profile_id FROM profiles_event, jsonb_array_elements(properties -> 'products') AS item "
        f"WHERE definition_id = %(order)s AND occurred_at <= %(now)s {YEAR} AND item ->> 'category' = 'c3' "
        "GROUP BY profile_id HAVING sum((item ->> 'price')::numeric) >= 40)",
    ),
    "event_recency": (
        {"op": "event_recency", "name": ORDER, "which": "last", "is": "before", "days": 60},
        f"id IN (SELECT profile_id {DID} GROUP BY profile_id "
        "HAVING max(occurred_at) <= %(now)s - interval '60 days')",
    ),
    "sequence": (
        {"op": "sequence", "steps": [{"name": VIEW}, {"name": "Product Viewed"}, {"name": ORDER}],
         "within": {"last_days": 90}},
        """id IN (SELECT profile_id FROM (
            SELECT profile_id, occurred_at, is_third, min(CASE WHEN is_second AND first < occurred_at THEN occurred_at
                END) OVER (PARTITION BY profile_id ORDER BY occurred_at) AS second
            FROM (
                SELECT profile_id, occurred_at, definition_id = %(product)s AS is_second,
                    definition_id = %(order)s AS is_third,
                    min(CASE WHEN definition_id = %(view)s THEN occurred_at END)
                        OVER (PARTITION BY profile_id ORDER BY occurred_at) AS first
                FROM profiles_event
                WHERE definition_id IN (%(view)s, %(product)s, %(order)s) AND occurred_at <= %(now)s
                    AND occurred_at > %(now)s - interval '90 days'
            ) AS firsts
        ) AS seconds WHERE is_third AND second < occurred_at)""",
    ),
    "sequence_ever": (
        {"op": "sequence", "steps": [{"name": VIEW}, {"name": "Product Viewed"}], "gap": {"days": 7},
         "then_not": {"name": ORDER}},
        """id IN (SELECT profile_id FROM (
            SELECT profile_id, occurred_at, definition_id,
                max(CASE WHEN definition_id = %(view)s THEN occurred_at END) OVER (PARTITION BY profile_id
                    ORDER BY occurred_at GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before,
                min(CASE WHEN definition_id = %(order)s THEN occurred_at END) OVER (PARTITION BY profile_id
                    ORDER BY occurred_at GROUPS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS after
            FROM profiles_event
            WHERE definition_id IN (%(view)s, %(product)s, %(order)s) AND occurred_at <= %(now)s
        ) AS placed
        WHERE definition_id = %(product)s AND occurred_at <= %(now)s - interval '7 days'
            AND before >= occurred_at - interval '7 days'
            AND (after IS NULL OR after > occurred_at + interval '7 days'))""",
    ),
    "tag": (
        {"op": "tag", "key": TAG, "value": ["tea"]},
        "id IN (SELECT profile_id FROM tags_tagassignment AS tag JOIN tags_tagvalue AS value ON value.id = value_id "
        "WHERE value.key = 'tea')",
    ),
    "segment": (
        {"op": "segment", "key": SEGMENT, "for_days": 30},
        "id IN (SELECT profile_id FROM segments_membership WHERE entered_at <= %(now)s - interval '30 days')",
    ),
    "tier": (
        {"op": "tier", "scheme": SCHEME, "in": ["gold"]},
        "id IN (SELECT profile_id FROM segments_tierstanding JOIN segments_tier AS tier ON tier.id = tier_id "
        "WHERE tier.key = 'gold')",
    ),
    "score": (
        {"op": "score", "model": "rfm", "field": "monetary", "is": "gte", "value": 500},
        "id IN (SELECT profile_id FROM tags_score WHERE model = 'rfm' AND (values ->> 'monetary')::numeric >= 500)",
    ),
    "identifier": (
        {"op": "identifier", "kind": "email"},
        "id IN (SELECT profile_id FROM profiles_identifier JOIN profiles_identifierkind AS kind ON kind.id = kind_id "
        "WHERE kind.key = 'email')",
    ),
    "consent": (
        {"op": "consent", "channel": "email", "is": "granted"},
        "id IN (SELECT profile_id FROM (SELECT DISTINCT ON (profile_id) profile_id, state FROM profiles_consent "
        "WHERE channel = 'email' ORDER BY profile_id, occurred_at DESC) AS word WHERE state = 'granted')",
    ),
    "bucket": (
        {"op": "bucket", "salt": "a", "from": 0, "to": 10},
        "('x' || substr(md5('a:' || public_id), 1, 8))::bit(32)::bigint < 429496730",
    ),
    "everything": (
        {"any": [
            {"not": {"op": "event", "name": ORDER, "is": "gte", "value": 3}},
            {"all": [ATTRIBUTE, {"op": "tag", "key": TAG, "value": ["tea"]}]},
        ]},
        f"id NOT IN (SELECT profile_id {DID} GROUP BY profile_id HAVING count(*) >= 3) "
        "OR (attributes ->> 'city' IN ('Oslo', 'Rome') AND id IN (SELECT profile_id FROM tags_tagassignment AS tag "
        "JOIN tags_tagvalue AS value ON value.id = value_id WHERE value.key = 'tea'))",
    ),
}  # fmt: skip


@benchmark("preview")
def preview(sizes: Sizes) -> Iterator[Figure]:
    with crowded(sizes) as crowd:
        make_facts()
        client = client_of_admin()
        params = crowd.params(timezone.now()) | {
            "view": crowd.definitions[VIEW], "product": crowd.definitions["Product Viewed"]
        }  # fmt: skip
        for name, (rule, condition) in PREVIEWS.items():
            params["now"] = timezone.now()
            by_hand, ours = count_by_hand(condition, params), count_by_api(client, rule)
            # The clock is read anew over HTTP, and some of the crowd's events may have left the window since.
            assert name in COUNTED_OTHERWISE or abs(by_hand - ours) <= 1 + ours // 1000, f"{name}: {by_hand}, {ours}"
            yield figure_of(
                name,
                crowd,
                watches(partial(count_by_api, client, rule)),
                watches(partial(count_by_hand, condition, params)),
            )


def figure_of(name: str, crowd: Crowd, ours: list[Stopwatch], by_hand: list[Stopwatch]) -> Figure:
    """The median, and as p95 the slowest."""
    return Figure(
        f"preview_{name}",
        crowd.n_profiles,
        "profiles",
        median(watch.seconds for watch in ours),
        FLOOR,
        median(watch.seconds for watch in by_hand),
        p95_seconds=max(watch.seconds for watch in ours),
        cpu_seconds=min(watch.cpu_seconds or 0.0 for watch in ours),
        floor_cpu_seconds=min(watch.cpu_seconds or 0.0 for watch in by_hand),
    )


def watches(do: Callable[[], object]) -> list[Stopwatch]:
    found = []
    for _try in range(TRIES):
        with stopwatch() as watch:
            do()
        found.append(watch)
    return found


def count_by_api(client: Client, rule: dict[str, Any]) -> int:
    answer = client.post("/api/v1/segments/preview/", {"rule": rule}, content_type="application/json")
    assert answer.status_code == 200, answer.content
    count: int = answer.json()["count"]
    return count


@transaction.atomic
def count_by_hand(condition: str, params: dict[str, Any]) -> int:
    set_local(work_mem=HEAVY_WORK_MEM)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT public_id, count(*) OVER () FROM profiles_profile AS profile "
            f"WHERE {condition} ORDER BY id LIMIT 10",
            params,
        )
        return int(cursor.fetchone()[1])


def client_of_admin() -> Client:
    """A client whose token was used a moment ago, so that no request writes its use."""
    token, text = issue_token("bench", role=ADMIN)
    token.last_used_at = timezone.now()
    token.save()
    return Client(headers={"Authorization": f"Bearer {text}"}, SERVER_NAME="localhost")
