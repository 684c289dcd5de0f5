"""On whatever day the demo is first loaded, the example of docs/rules.md finds somebody."""

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest

from demo.birthdays import buys_like_the_example, with_birthday_soon
from demo.generator import SEED
from demo.lives import live
from demo.people import make_person
from demo.purchases import Purchase, read_purchases

ZONE = ZoneInfo("Asia/Shanghai")


def lives_that_buy_so(last_day):
    by_customer = {}
    for purchase in read_purchases(last_day=last_day):
        by_customer.setdefault(purchase.customer, []).append(purchase)
    return [
        live(number, bought, last_day=last_day, zone=ZONE, seed=SEED)
        for number, bought in by_customer.items()
        if buys_like_the_example(bought, last_day=last_day)
    ]


def fits(life, now):
    """By what the channels say, of somebody who is seen in one channel that knows the birthday."""
    if life.channels not in {("web-shop",), ("till",)} or life.person.gender != "female":
        return False
    told = [(now - saying.at, saying.message) for saying in life.sayings]
    orders = [age for age, message in told if message.get("event") == "Order Completed"]
    spent = sum(
        message["properties"]["total"] * (1 if message["event"] == "Order Completed" else -1)
        for age, message in told
        if age < timedelta(days=365) and message.get("event") in ("Order Completed", "Order Refunded")
    )
    week = {((now + timedelta(days=n)).month, (now + timedelta(days=n)).day) for n in range(7)}
    born = life.person.birthday
    return (
        150 <= spent < 400
        and sum(age < timedelta(days=90) for age in orders) >= 2
        and min(orders) > timedelta(days=14)
        and (born.month, born.day) in week
    )


@pytest.mark.parametrize(
    "last_day", [date(2026, 11, 21), date(2026, 12, 29), date(2028, 2, 22), date(2028, 2, 27), date(2027, 6, 14)]
)
@pytest.mark.parametrize("hour", [0, 12, 23])
def test_somebody_is_found_in_either_language(last_day, hour):
    now = datetime.combine(last_day + timedelta(days=1), time(hour, 59), ZONE)

    found = [life.person.city for life in lives_that_buy_so(last_day) if fits(life, now)]

    assert sorted(found) == ["Shanghai", "上海", "上海", "北京", "北京"]


def test_nobody_else_is_touched():
    last_day = date(2026, 11, 21)
    often = [Purchase(1, last_day - timedelta(days=days), 1, 100_00) for days in (20, 40)]
    man, woman = (replace(make_person(1, Random(1)), gender=gender) for gender in ("male", "female"))

    assert with_birthday_soon(woman, often, last_day=last_day) != woman
    assert with_birthday_soon(man, often, last_day=last_day) == man
    assert with_birthday_soon(woman, often[:1], last_day=last_day) == woman
