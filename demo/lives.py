"""What a customer does in the shop's three channels, as the channels report it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any
from uuid import UUID

from demo.birthdays import with_birthday_soon
from demo.catalogue import CATEGORIES, as_products, choose_titles
from demo.people import Person, make_person, write_phone
from demo.purchases import Purchase
from demo.sayings import TILL, WEB, WECHAT, MemberRow, Name, Saying

# Channels of a customer, and how many in a hundred have these: more than half are seen in one only.
CHANNELS = (
    ((WEB,), 34), ((TILL,), 14), ((WECHAT,), 10), ((WEB, TILL), 16), ((WEB, WECHAT), 13), ((TILL, WECHAT), 5),
    ((WEB, TILL, WECHAT), 8),
)  # fmt: skip
GIVES_PHONE_TO_WEB = 0.7
BINDS_WECHAT_TO_WEB = 0.6
BINDS_WECHAT_TO_TILL = 0.6
BROWSES_BEFORE = 0.4
REFUNDED = 0.04
BROKEN_CLIENT = 0.08
BROKEN_TILL = 0.25  # sends a card of zeros where there is none
NOBODY = ("null", "undefined", "000", "0")


def user_id_of(number: int) -> str:
    """The web shop's id of a customer, if they have an account there."""
    return f"U{100_000 + number}"


@dataclass
class Life:
    """A customer, what they are called in each channel, and all that is said of them."""

    person: Person
    channels: tuple[str, ...]
    zone: tzinfo
    chance: random.Random
    sayings: list[Saying] = field(default_factory=list)
    member: MemberRow | None = None
    logins: dict[str, datetime] = field(default_factory=dict)  # first login on each device
    joined: dict[str, datetime] = field(default_factory=dict)  # first time in each channel

    @property
    def key(self) -> str:
        return f"c{self.person.number:04d}"

    @property
    def user_id(self) -> str:
        return user_id_of(self.person.number)

    @property
    def card(self) -> str:
        return f"SH{20_000_000 + self.person.number * 7:08d}"

    @property
    def unionid(self) -> str:
        return f"oUnion{self.person.number:06d}"

    def openid(self, app: int) -> str:
        return f"oApp{app}-{self.person.number:06d}"

    def device(self, number: int) -> str:
        return str(UUID(int=random.Random(f"device/{self.key}/{number}").getrandbits(128), version=4))

    def say(self, at: datetime, source: str, names: Sequence[Name], **message: Any) -> None:
        """Note a message; its id is the same in every generation."""
        message_id = f"demo-{self.key}-{len(self.sayings):03d}"
        whole = {"messageId": message_id, "timestamp": at.isoformat(), **message}
        self.sayings.append(Saying(at, source, self.key, tuple(names), whole))


def live(number: int, purchases: Sequence[Purchase], *, last_day: date, zone: tzinfo, seed: int) -> Life:
    """The whole life of a customer; the same for the same seed, whatever the others do."""
    chance = random.Random(f"{seed}/{number}")
    channels = chance.choices([which for which, _ in CHANNELS], [share for _, share in CHANNELS])[0]
    person = with_birthday_soon(make_person(number, chance), purchases, last_day=last_day)
    life = Life(person, channels, zone, chance)
    favourite = chance.choice(CATEGORIES)
    for n_order, purchase in enumerate(purchases):
        channel = channels[n_order] if n_order < len(channels) else chance.choice(channels)
        at = moment(purchase.day, life)
        contact(life, channel, at)
        order(life, channel, at, purchase, f"{life.person.number:04d}-{n_order:02d}", favourite, last_day=last_day)
    for channel in channels:
        contact(life, channel, moment(purchases[-1].day, life))  # a channel that they joined and never bought in
    tie_channels(life, last_day)
    return life


def moment(day: date, life: Life) -> datetime:
    """A time of that day, when shops are open."""
    return datetime.combine(day, time(10), life.zone) + timedelta(seconds=life.chance.randrange(11 * 3600))


def contact(life: Life, channel: str, at: datetime) -> None:
    """The first time in a channel: they sign up, a quarter of an hour before what they came for."""
    if channel not in life.joined:
        life.joined[channel] = at - timedelta(minutes=15)
        {WEB: sign_up, TILL: join_till, WECHAT: follow}[channel](life, life.joined[channel])


def tie_channels(life: Life, last_day: date) -> None:
    """Some time after they joined, some tell one channel what they are called in another."""
    chance = life.chance
    if WEB in life.channels and chance.random() < GIVES_PHONE_TO_WEB:
        names = [("user_id", life.user_id), ("phone", life.person.phone)]
        phone = write_phone(life.person.phone, chance.randrange(5))
        at = later(life, (WEB, TILL), last_day)
        life.say(at, WEB, names, type="identify", userId=life.user_id, traits={"phone": phone})
    if WECHAT in life.channels and WEB in life.channels and chance.random() < BINDS_WECHAT_TO_WEB:
        names = [("wechat_unionid", life.unionid), ("user_id", life.user_id)]
        context = {"externalIds": [external_id("wechat_unionid", life.unionid)]}
        at = later(life, (WEB, WECHAT), last_day)
        life.say(at, WECHAT, names, type="identify", userId=life.user_id, traits={}, context=context)
    if WECHAT in life.channels and TILL in life.channels and chance.random() < BINDS_WECHAT_TO_TILL:
        names = [("wechat_unionid", life.unionid), ("member_card", life.card)]
        context = {"externalIds": [external_id(*name) for name in names]}
        at = later(life, (TILL, WECHAT), last_day)
        life.say(at, WECHAT, names, type="identify", traits={}, context=context)


def later(life: Life, channels: Sequence[str], last_day: date) -> datetime:
    """A time after they joined these channels, or right then if that was on the last day."""
    joined = max(life.joined[channel] for channel in channels if channel in life.joined)
    days = (last_day - joined.date()).days
    return (
        joined + timedelta(minutes=3)
        if days == 0
        else moment(joined.date() + timedelta(days=life.chance.randint(1, days)), life)
    )


def sign_up(life: Life, at: datetime) -> None:
    """The web shop: visits before, unknown; then an account."""
    device, person = life.device(0), life.person
    if life.chance.random() < BROWSES_BEFORE:
        broken = {"userId": life.chance.choice(NOBODY)} if life.chance.random() < BROKEN_CLIENT else {}
        view(life, at - timedelta(minutes=20), [("anonymous_id", device)], anonymousId=device, **broken)
    traits: dict[str, Any] = {"name": person.name, "email": person.email, "gender": person.gender}
    names = [("user_id", life.user_id), ("anonymous_id", device), ("email", person.email)]
    if life.chance.random() < 0.3:
        traits["email"] = person.email.title()
    if person.birthday:
        traits["birthday"] = person.birthday.isoformat()
    if life.chance.random() < 0.3:
        traits["phone"] = write_phone(person.phone, life.chance.randrange(5))
        names.append(("phone", person.phone))
    elif life.chance.random() < 0.1:
        traits["phone"] = "00000000000"
    if person.says_yes is not None:
        traits["consents"] = {"email": person.says_yes}
    traits["address"] = {"city": person.city, "state": person.province, "country": person.country}
    log_in(life, at, device, names, traits)


def log_in(life: Life, at: datetime, device: str, names: Sequence[Name], traits: dict[str, Any]) -> None:
    life.logins.setdefault(device, at)
    life.say(
        at, WEB, names, type="identify", userId=life.user_id, anonymousId=device, traits=traits,
        context={"locale": life.person.language, "timezone": "Asia/Shanghai", "library": {"name": "analytics.js"}},
    )  # fmt: skip


def join_till(life: Life, at: datetime) -> None:
    """The till: a card, in the file of members; no message."""
    person = life.person
    life.member = MemberRow(
        at,
        life.key,
        (("member_card", life.card), ("phone", person.phone)),
        {
            "card": f"{life.card[:2]}-{life.card[2:6]} {life.card[6:]}",
            "name": person.name,
            "gender": person.gender,
            "birthday": person.birthday.isoformat() if person.birthday else "",
            "mobile": write_phone(person.phone, life.chance.randrange(5)),
            "city": person.city,
            "province": person.province,
            "updated": at.isoformat(),
            "mail_ok": {True: "true", False: "false", None: ""}[person.says_yes],
        },
    )


def follow(life: Life, at: datetime) -> None:
    """WeChat: one unionid, and an openid for each of the shop's apps."""
    person = life.person
    for app in (0, 1) if life.chance.random() < 0.25 else (0,):
        names = [("wechat_unionid", life.unionid), ("wechat_openid", life.openid(app))]
        context = {"externalIds": [external_id(*name) for name in names], "locale": person.language}
        traits = {"name": person.name, "gender": person.gender}
        life.say(at + timedelta(minutes=app), WECHAT, names, type="identify", context=context, traits=traits)


def order(
    life: Life, channel: str, at: datetime, purchase: Purchase, order_id: str, favourite: str, *, last_day: date
) -> None:
    """An order, visits before it, and perhaps its refund."""
    titles = choose_titles(purchase.n_items, favourite, life.chance)
    names, identified = identified_by(life, channel, at)
    if channel != TILL and life.chance.random() < BROWSES_BEFORE:
        for n_view in range(life.chance.randint(1, 4)):
            view(life, at - timedelta(minutes=8 - n_view), names, favourite=favourite, source=channel, **identified)
    total = purchase.total_cents / 100
    properties = {"order_id": order_id, "total": total, "currency": "USD"}
    life.say(
        at, channel, names, type="track", event="Order Completed",
        properties={**properties, "products": as_products(titles, purchase.total_cents)}, **identified,
    )  # fmt: skip
    back = at + timedelta(days=life.chance.randint(2, 20))
    if total and life.chance.random() < REFUNDED and back.date() <= last_day:
        part = round(total * life.chance.choice([1, 1, 0.5]), 2)
        life.say(
            back, channel, names, type="track", event="Order Refunded", properties={**properties, "total": part},
            **identified,
        )  # fmt: skip


def identified_by(life: Life, channel: str, at: datetime) -> tuple[list[Name], dict[str, Any]]:
    """How this channel says who it is this time: the truth, and the part of the message."""
    chance = life.chance
    if channel == WEB:
        device = life.device(chance.choice([0, 0, 0, 1]))
        names = [("user_id", life.user_id), ("anonymous_id", device)]
        if device not in life.logins:
            if chance.random() < BROWSES_BEFORE:  # on a new device, days before they log in on it
                seen_at = at - timedelta(days=chance.randint(1, 30))
                view(life, seen_at, [("anonymous_id", device)], anonymousId=device)
            log_in(life, at - timedelta(minutes=10), device, names, {})
        return names, {"userId": life.user_id, "anonymousId": device}
    if channel == WECHAT:
        name = ("wechat_unionid", life.unionid) if chance.random() < 0.5 else ("wechat_openid", life.openid(0))
        return [name], {"context": {"externalIds": [external_id(*name)]}}
    if chance.random() < 0.2:  # the number told at the till, without the card
        written = write_phone(life.person.phone, chance.randrange(5))
        card = [external_id("member_card", "0000000")] if chance.random() < BROKEN_TILL else []
        return [("phone", life.person.phone)], {"context": {"traits": {"phone": written}, "externalIds": card}}
    return [("member_card", life.card)], {"context": {"externalIds": [external_id("member_card", life.card.lower())]}}


def view(
    life: Life, at: datetime, names: Sequence[Name], *, favourite: str = "Pop", source: str = WEB, **who: Any
) -> None:
    title = choose_titles(1, favourite, life.chance)[0]
    properties = {"product_id": title.product_id, "name": title.name, "category": title.category}
    life.say(at, source, names, type="track", event="Product Viewed", properties=properties, **who)


def visit_on(life: Life, device: str, at: datetime) -> None:
    """They use somebody else's device: they look around unknown, log in with their own account, and look on."""
    view(life, at, [("anonymous_id", device)], anonymousId=device)
    names = [("user_id", life.user_id), ("anonymous_id", device)]
    log_in(life, at + timedelta(minutes=2), device, names, {})
    view(life, at + timedelta(minutes=4), names, anonymousId=device, userId=life.user_id)


def external_id(kind: str, value: str) -> dict[str, str]:
    return {"id": value, "type": kind, "collection": "users", "encoding": "none"}


def pass_by(number: int, *, days: Sequence[date], zone: tzinfo, seed: int) -> Iterator[Saying]:
    """A visitor of the web shop of whom nothing more is ever known."""
    chance = random.Random(f"{seed}/visitor/{number}")
    device = str(UUID(int=chance.getrandbits(128), version=4))
    at = datetime.combine(chance.choice(days), time(9), zone) + timedelta(seconds=chance.randrange(12 * 3600))
    for n_view in range(chance.randint(1, 4)):
        title = choose_titles(1, chance.choice(CATEGORIES), chance)[0]
        message: dict[str, Any] = {
            "messageId": f"demo-v{number:04d}-{n_view}",
            "timestamp": (at + timedelta(minutes=n_view)).isoformat(),
            "type": "track",
            "event": "Product Viewed",
            "anonymousId": device,
            "properties": {"product_id": title.product_id, "name": title.name, "category": title.category},
        }
        if chance.random() < 0.1:
            message["userId"] = chance.choice(NOBODY)
        yield Saying(at + timedelta(minutes=n_view), WEB, f"v{number:04d}", (("anonymous_id", device),), message)
