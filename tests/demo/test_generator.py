from collections import Counter
from datetime import date, datetime
from itertools import pairwise
from random import Random
from zoneinfo import ZoneInfo

import pytest

from demo.generator import Plan, generate, read_plan, write_files
from demo.people import make_person, write_phone
from demo.purchases import first_day, read_purchases, slice_ends
from demo.sayings import WEB
from demo.truth import read_truth, true_clusters
from profiles.identity.normalise import normalise
from profiles.ingest.message import parse_message
from profiles.models import IdentifierKind, Source

ZONE = ZoneInfo("Asia/Shanghai")
PLAN = Plan(last_day="2026-06-14", zone="Asia/Shanghai", n_customers=300)


@pytest.fixture(scope="module")
def shop():
    return generate(PLAN)


def test_the_purchases_are_the_real_ones_with_the_last_day_moved():
    purchases = read_purchases(last_day=date(2026, 6, 14))

    assert len(purchases) == 6_919
    assert len({purchase.customer for purchase in purchases}) == 2_357
    assert sum(purchase.total_cents for purchase in purchases) == 24_409_194
    assert max(purchase.day for purchase in purchases) == date(2026, 6, 14)
    assert min(purchase.day for purchase in purchases) == first_day(date(2026, 6, 14)) == date(2024, 12, 16)


def test_slices_cover_all_days_without_a_gap():
    ends = slice_ends(date(2026, 6, 14))

    assert ends[-1] == date(2026, 6, 14)
    assert {(later - earlier).days for earlier, later in pairwise(ends)} == {91}


def test_the_same_plan_gives_the_same_shop(shop):
    assert generate(PLAN) == shop


def test_a_smaller_sample_has_the_same_people(shop):
    smaller = generate(Plan(last_day=PLAN.last_day, zone=PLAN.zone, n_customers=30))

    assert {saying.message["messageId"] for saying in smaller.sayings if saying.person < "c0025"} == {
        saying.message["messageId"] for saying in shop.sayings if saying.person < "c0025"
    }


def test_every_purchase_is_an_order_of_its_customer(shop):
    orders = [saying for saying in shop.sayings if saying.message.get("event") == "Order Completed"]
    purchases = read_purchases(last_day=date(2026, 6, 14), n_customers=300)

    assert Counter((saying.person, saying.at.date()) for saying in orders) == Counter(
        (f"c{purchase.customer:04d}", purchase.day) for purchase in purchases
    )
    for saying in orders:
        properties = saying.message["properties"]
        assert sum(product["price"] for product in properties["products"]) == pytest.approx(properties["total"])


def test_nothing_is_after_the_last_day_and_ids_are_unique(shop):
    ids = [saying.message["messageId"] for saying in shop.sayings]

    assert len(ids) == len(set(ids))
    assert max(saying.at for saying in shop.sayings) < datetime(2026, 6, 15, tzinfo=ZONE)


def test_all_that_a_shop_has_is_in_it(shop):
    messages = [saying.message for saying in shop.sayings]
    names = Counter(kind for kind, _value in true_clusters([*shop.sayings, *shop.members]))
    guests = [
        saying
        for saying in shop.sayings
        if saying.message["type"] == "identify"
        and saying.source == WEB
        and any(saying.person != other.person and saying.names[1] in other.names for other in shop.sayings)
    ]

    assert {message.get("event") for message in messages} >= {"Order Completed", "Order Refunded", "Product Viewed"}
    assert {message.get("userId") for message in messages} & {"null", "undefined", "000", "0"}
    assert any(message.get("traits", {}).get("phone") == "00000000000" for message in messages)
    assert any("0000000" in str(message.get("context", {}).get("externalIds")) for message in messages)
    assert set(names) == {
        "user_id", "anonymous_id", "email", "phone", "member_card", "wechat_unionid", "wechat_openid"
    }  # fmt: skip
    assert len(guests) >= 2
    assert {saying.person[0] for saying in shop.sayings} == {"c", "v"}


@pytest.mark.django_db
def test_numbers_written_in_five_ways_are_one_number_and_of_one_person():
    kind = IdentifierKind.objects.get(key="phone")
    people = [make_person(number, Random(number)) for number in range(1, 2_358)]

    assert len({person.phone for person in people}) == len({person.email for person in people}) == len(people)
    for person in people[::20]:
        written = {write_phone(person.phone, way) for way in range(5)}
        assert len(written) == 5
        assert {normalise(kind, text, "CN") for text in written} == {person.phone}


@pytest.mark.django_db
def test_the_truth_names_exactly_the_identifiers_that_strata_will_find(shop, now):
    kinds = {kind.key: kind for kind in IdentifierKind.objects.all()}
    keys = {kind.pk: kind.key for kind in kinds.values()}
    source = Source(pk=1, key="any")

    for saying in shop.sayings:
        parsed = parse_message(saying.message, source=source, kinds=kinds, received_at=now, sent_at=None)
        assert {(keys[key.kind_id], key.value) for key in parsed.identifiers} == set(saying.names)
        assert parsed.occurred_at == saying.at


def test_the_folder_is_made_whole_and_says_its_plan(tmp_path, shop):
    folder = tmp_path / "data" / "shop"
    (tmp_path / "data" / "shop.making").mkdir(parents=True)  # left by a kill
    (tmp_path / "data" / "shop.making" / "half").write_text("")

    write_files(folder, PLAN)

    assert sorted(path.name for path in folder.iterdir()) == [
        "mishaps", "plan.json", *(f"slice-{n}" for n in range(1, 7)), "till-members.csv", "till-updates.csv",
        "truth.csv",
    ]  # fmt: skip
    assert read_plan(folder) == PLAN
    assert read_truth(folder / "truth.csv") == true_clusters([*shop.sayings, *shop.members])
    lines = [line for path in folder.glob("slice-*/*.ndjson") for line in path.read_text().splitlines()]
    assert len(lines) == len(shop.sayings)
    told = [line for path in folder.glob("mishaps/*.ndjson") for line in path.read_text().splitlines()]
    assert len(told) == len(shop.mishaps)
    assert (folder / "till-updates.csv").read_text(encoding="gb18030").startswith("会员卡号,姓名,手机号,")
