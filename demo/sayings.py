"""One thing that a source of the shop says of somebody: an SDK-style message, or a row of the till's file."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

WEB, TILL, WECHAT = "web-shop", "till", "wechat"
Name = tuple[str, str]  # kind of identifier, normalised value


@dataclass(frozen=True)
class Saying:
    """`message` is what is sent; the truth besides: whom it is about, and its identifiers that can name anybody."""

    at: datetime
    source: str
    person: str
    names: tuple[Name, ...]
    message: dict[str, Any]


@dataclass(frozen=True)
class MemberRow:
    """A row of the file of till members: `cells` by column."""

    at: datetime
    person: str
    names: tuple[Name, ...]
    cells: dict[str, str]


MEMBER_COLUMNS = ("card", "name", "gender", "birthday", "mobile", "city", "province", "updated", "mail_ok")
