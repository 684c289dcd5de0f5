"""Somebody to find on whatever day the demo is first loaded, by the rule that docs/rules.md writes as an example.

That is "gold-tier women in Shanghai or Beijing whose birthday is in the next 7 days and who bought at least twice in 90
days but not in the last 14". Whoever bought so, by the real purchases, and is a woman, lives there and has her birthday
in that week; else it would be up to chance, and on most days there would be nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

from demo.people import Person
from demo.purchases import Purchase

# A few days inside the windows of the rule, and dollars inside the tier, so that the hour and a refund decide nothing.
YEAR, QUARTER, PAUSE = 360, 85, 16
GOLD = range(170_00, 395_00)  # cents
FIRST, N_DAYS = 2, 6  # birthdays from tomorrow to six days ahead of the first load, which is the day after the last
CITIES = {True: (("上海", "上海"), ("北京", "北京")), False: (("Shanghai", "Shanghai"), ("Beijing", "Beijing"))}


def with_birthday_soon(person: Person, purchases: Sequence[Purchase], *, last_day: date) -> Person:
    """The person, who lives in Shanghai or Beijing and soon has her birthday if she buys as the example wants it."""
    if person.gender != "female" or not buys_like_the_example(purchases, last_day=last_day):
        return person
    city, province = CITIES[person.is_chinese][person.number % 2]
    day = last_day + timedelta(days=FIRST + person.number % N_DAYS)
    born = person.birthday.year if person.birthday else 1980
    # A leap year: it may be the 29th of February.
    return replace(person, city=city, province=province, country="CN", birthday=day.replace(year=born - born % 4))


def buys_like_the_example(purchases: Sequence[Purchase], *, last_day: date) -> bool:
    """For gold's money within a year, at least twice within 90 days, and not within 14."""
    ages = [((last_day - purchase.day).days, purchase.total_cents) for purchase in purchases]
    spent = sum(cents for age, cents in ages if age < YEAR)
    return spent in GOLD and min(age for age, _cents in ages) >= PAUSE and sum(age < QUARTER for age, _c in ages) >= 2
