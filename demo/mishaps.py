"""What goes wrong in any shop: messages that nobody planned, totals that are no numbers, a file with broken rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any

from demo.sayings import TILL, WEB, WECHAT, MemberRow, Saying

N_COUPONS, N_PRICES, N_GENRES, N_ORDERS, N_POSTERS, N_NOBODY = 24, 9, 6, 4, 2, 3
N_UPDATES = 60
MOVES_EVERY = 6  # of so many members in the second file, one has moved

UPDATE_COLUMNS = ("会员卡号", "姓名", "手机号", "城市", "省份", "积分", "更新时间")  # as a Chinese till writes them


def make_mishaps(sayings: Sequence[Saying]) -> list[Saying]:
    """Each follows something that happened, within minutes and by the same person, and names nobody new.

    The website's are let through and counted; those of WeChat and the till are rejected, and can be replayed.
    """
    views = latest(sayings, WEB, "Product Viewed", N_COUPONS)
    logins = latest(sayings, WEB, None, N_GENRES)
    orders = latest(sayings, WECHAT, "Order Completed", N_ORDERS)
    told: list[tuple[Saying, dict[str, Any]]] = []
    for number, view in enumerate(views):
        told.append((view, track("Coupon Clicked", coupon=f"AUTUMN{number % 3 + 1}")))
    for view in views[:N_PRICES]:
        told.append((view, track("Product Viewed", **view.message["properties"], price="¥68")))
    for login, genre in zip(logins, ("Jazz", "Folk", "Rock") * 2, strict=False):
        told.append((login, {"type": "identify", "traits": {"favourite_genre": genre}}))
    for order in orders:
        total = f"{order.message['properties']['total']:.2f}元"
        told.append((order, track("Order Completed", order_id=f"W{len(told):03d}", total=total)))
    for order in orders[:N_POSTERS]:
        told.append((order, track("Poster Shared", poster="autumn")))
    mishaps = [after(saying, number, message) for number, (saying, message) in enumerate(told)]
    sales = [saying for saying in sayings if saying.source == TILL][-N_NOBODY:]
    return [*mishaps, *(without_card(sale, number) for number, sale in enumerate(sales))]


def latest(sayings: Sequence[Saying], source: str, event: str | None, n: int) -> list[Saying]:
    """The last of a source, of an event, or of those who log in where `event` is None; the latest last."""
    kind = "identify" if event is None else "track"
    found = [each for each in sayings if each.source == source and each.message["type"] == kind]
    return [each for each in found if each.message.get("event") == event][-n:]


def track(event: str, **properties: Any) -> dict[str, Any]:
    return {"type": "track", "event": event, "properties": properties}


def after(saying: Saying, number: int, message: dict[str, Any]) -> Saying:
    """Said two minutes later by the same person."""
    at = saying.at + timedelta(minutes=2)
    who: dict[str, Any] = {
        key: saying.message[key] for key in ("userId", "anonymousId", "context") if key in saying.message
    }
    whole = {"messageId": f"demo-mishap-{number:02d}", "timestamp": at.isoformat(), **who, **message}
    said_again = tuple(name for name in saying.names if name[0] not in ("email", "phone"))  # the others were traits
    return Saying(at, saying.source, saying.person, said_again, whole)


def without_card(sale: Saying, number: int) -> Saying:
    """A till that sends zeros where nobody showed a card: it says nothing of whom it is about."""
    at = sale.at + timedelta(minutes=4)
    card = {"id": "0000000", "type": "member_card", "collection": "users", "encoding": "none"}
    whole = {
        "messageId": f"demo-nobody-{number}",
        "timestamp": at.isoformat(),
        **track("Order Completed", order_id=f"T{number:03d}", total=19.9, currency="USD"),
        "context": {"externalIds": [card]},
    }
    return Saying(at, TILL, "", (), whole)


def make_updates(members: Sequence[MemberRow], *, last_day: date, zone: tzinfo) -> Iterator[dict[str, str]]:
    """Rows of the till's second file: points of known members, of whom some have moved, and three broken rows."""
    written = datetime.combine(last_day, time(21, 30), zone).isoformat()
    for number, row in enumerate(members[-N_UPDATES:]):
        moved = number % MOVES_EVERY == 0
        city, province = ("苏州", "江苏") if moved else (row.cells["city"], row.cells["province"])
        yield update(
            row.cells["card"], row.cells["name"], row.cells["mobile"], city, province, f"{number * 37 % 900}", written
        )
    yield update("", "散客", "", "上海", "上海", "0", written)
    yield update("0000000", "测试", "12345", "上海", "上海", "0", written)
    yield update("SH-2999 9999", "新会员", "", "杭州", "浙江", "10", "昨天")


def update(*cells: str) -> dict[str, str]:
    return dict(zip(UPDATE_COLUMNS, cells, strict=True))
