"""Who needs no group: a link that meets nobody."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import RFC_4122, UUID

from profiles.identity.groups import Key, Link
from profiles.identity.strangers import Seen, random_uuids, strangers

AT = datetime(2026, 1, 1, tzinfo=UTC)
CARD, PHONE = 1, 2


def link(*keys: Key) -> Link:
    return Link(AT, "m", 1, keys)


def test_a_link_alone_with_its_keys_meets_nobody():
    links = [
        link(Key(CARD, "new"), Key(PHONE, "new")),
        link(Key(CARD, "known"), Key(PHONE, "fresh")),
        link(Key(CARD, "one"), Key(PHONE, "shared")),
        link(Key(CARD, "other"), Key(PHONE, "shared")),
        link(Key(CARD, "two"), Key(CARD, "cards")),
        link(Key(CARD, "new of a place that is not asked for")),
        link(Key(CARD, "alone")),
    ]

    found = strangers(links, [0, 1, 2, 3, 4, 6], {Key(CARD, "known"): 1})

    assert found == {0: Seen(AT, AT), 6: Seen(AT, AT)}


def test_ids_for_the_outside_are_random_uuids():
    found = [UUID(each) for each in random_uuids(1_000)]

    assert len(set(found)) == 1_000
    assert {(each.version, each.variant) for each in found} == {(4, RFC_4122)}
