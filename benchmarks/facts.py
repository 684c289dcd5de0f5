"""What is said of the crowd: members, tags, standings, scores and consents, with as many changes in the feeds."""

from __future__ import annotations

from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from cdp.local_settings import set_local
from segments.models import Segment, Tier, TierScheme
from tags.models import Tag, TagValue

SEGMENT, TAG, SCHEME = "everybody", "likes", "club"
FACTS = [
    """
    INSERT INTO segments_membership (segment_id, profile_id, entered_at)
    SELECT %(segment)s, id, %(now)s - make_interval(days => (id %% 90)::int) FROM profiles_profile ORDER BY id
    """,
    """
    INSERT INTO segments_membershipchange (segment_id, profile_id, change, cause, at)
    SELECT %(segment)s, id, 'entered', 'rule', %(now)s FROM profiles_profile ORDER BY id
    """,
    """
    INSERT INTO tags_tagassignment (tag_id, value_id, profile_id, assigned_at)
    SELECT %(tag)s, (%(values)s::bigint[])[1 + id %% 3], id, %(now)s FROM profiles_profile ORDER BY id
    """,
    """
    INSERT INTO tags_tagchange (tag_id, profile_id, before, after, cause, at)
    SELECT %(tag)s, id, NULL, (array['tea', 'coffee', 'water'])[1 + id %% 3], 'rule', %(now)s
    FROM profiles_profile ORDER BY id
    """,
    """
    INSERT INTO segments_tierstanding (scheme_id, tier_id, profile_id, entered_at)
    SELECT %(scheme)s, (%(tiers)s::bigint[])[1 + id %% 2], id, %(now)s FROM profiles_profile ORDER BY id
    """,
    """
    INSERT INTO tags_score (profile_id, model, values, scored_at)
    SELECT id, 'rfm', jsonb_build_object('monetary', id %% 1000, 'class', '111'), %(now)s FROM profiles_profile
    """,
    """
    INSERT INTO profiles_consent (profile_id, origin_id, message_id, channel, state, occurred_at)
    SELECT id, id, 'word', 'email', (array['granted', 'denied'])[1 + (id / 3 + word) %% 2],
        %(now)s - make_interval(days => word::int)
    FROM profiles_profile, generate_series(1, 2) AS word
    WHERE id %% 3 > 0
    """,
]


def make_facts() -> None:
    """As a superuser of the database."""
    tag = Tag.objects.create(key=TAG, name="Likes", lifecycle=Tag.Lifecycle.ACTIVE)
    values = [
        TagValue.objects.create(tag=tag, key=key, name=key.title(), position=place)
        for place, key in enumerate(("tea", "coffee", "water"))
    ]
    scheme = TierScheme.objects.create(key=SCHEME, name="Club")
    tiers = [
        Tier.objects.create(scheme=scheme, key=key, name=key.title(), position=place)
        for place, key in enumerate(("gold", "base"))
    ]
    params: dict[str, Any] = {
        "now": timezone.now(),
        "segment": Segment.objects.create(key=SEGMENT, name="Everybody", kind=Segment.Kind.STATIC).pk,
        "tag": tag.pk,
        "values": [value.pk for value in values],
        "scheme": scheme.pk,
        "tiers": [tier.pk for tier in tiers],
    }
    with transaction.atomic(), connection.cursor() as cursor:
        set_local(session_replication_role="replica")
        for statement in FACTS:
            cursor.execute(statement, params)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
