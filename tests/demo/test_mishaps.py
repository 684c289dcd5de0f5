from collections import Counter

import pytest

from demo.generator import Plan, generate
from demo.mishaps import N_COUPONS, N_GENRES, N_NOBODY, N_ORDERS, N_POSTERS, N_PRICES, N_UPDATES
from profiles.identity.normalise import normalise
from profiles.ingest.message import NobodyError, parse_message
from profiles.models import IdentifierKind, Source

PLAN = Plan(last_day="2026-06-14", zone="Asia/Shanghai", n_customers=300)


@pytest.fixture(scope="module")
def shop():
    return generate(PLAN)


def test_mishaps_come_after_what_happened_and_name_nobody_new(shop):
    known = {name for saying in [*shop.sayings, *shop.members] for name in saying.names}

    assert {name for mishap in shop.mishaps for name in mishap.names} <= known
    ids = [saying.message["messageId"] for saying in [*shop.sayings, *shop.mishaps]]
    assert len(ids) == len(set(ids))
    assert Counter(mishap.source for mishap in shop.mishaps) == {
        "web-shop": N_COUPONS + N_PRICES + N_GENRES, "wechat": N_ORDERS + N_POSTERS, "till": N_NOBODY
    }  # fmt: skip


@pytest.mark.django_db
def test_the_truth_names_the_identifiers_of_mishaps_and_zeros_name_nobody(shop, now):
    kinds = {kind.key: kind for kind in IdentifierKind.objects.all()}
    keys = {kind.pk: kind.key for kind in kinds.values()}

    def names_of(mishap):
        parsed = parse_message(
            mishap.message, source=Source(pk=1, key="any"), kinds=kinds, received_at=now, sent_at=None
        )
        return {(keys[key.kind_id], key.value) for key in parsed.identifiers}

    for mishap in shop.mishaps:
        if mishap.names:
            assert names_of(mishap) == set(mishap.names)
        else:
            with pytest.raises(NobodyError):
                names_of(mishap)


@pytest.mark.django_db
def test_updates_are_of_known_members_but_for_three_broken_rows(shop):
    cards = {value for row in shop.members for kind, value in row.names if kind == "member_card"}
    kind = IdentifierKind.objects.get(key="member_card")

    rows, broken = shop.updates[:-3], shop.updates[-3:]

    assert len(rows) == N_UPDATES
    assert {normalise(kind, row["会员卡号"], "CN") for row in rows} <= cards
    assert [row["姓名"] for row in broken] == ["散客", "测试", "新会员"]
    assert {row["更新时间"] for row in rows} == {"2026-06-14T21:30:00+08:00"}
