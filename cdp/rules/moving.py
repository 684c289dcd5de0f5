"""Statements that are compiled once and asked at any moment: their bounds move along with now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Self, SupportsIndex, TypeAlias

from cdp.rules.scope import Scope

Statement: TypeAlias = tuple[str, list[Any]]


@dataclass
class Uses:
    """What became of a moment: `is_read` once anything was done with it but to add spans and to compare the sums."""

    is_read: bool = False


class Moving(datetime):
    """Now, or `away` from it. Whoever asks for more than that, such as its day, is told what it is, and that is noted.

    Of what times can do, all is noted but what is named here, so that nothing can be forgotten.
    """

    uses: Uses
    away: timedelta

    NOTED = frozenset(dir(datetime)) - {"utcoffset", "tzinfo", "__class__"}

    @classmethod
    def of(cls, moment: datetime, uses: Uses, away: timedelta = timedelta(0)) -> Self:
        made = cls.combine(moment.date(), moment.timetz())
        made.uses, made.away = uses, away
        return made

    def __getattribute__(self, name: str) -> Any:
        if name in Moving.NOTED:
            self.uses.is_read = True
            return getattr(plain(self), name)
        return super().__getattribute__(name)

    def _moved(self, span: timedelta) -> Moving:
        return Moving.of(datetime.__add__(plain(self), span), self.uses, self.away + span)

    def _is_kin(self, other: object) -> bool:
        """Whether the answer to a comparison is the same at every moment. With what is no time it is that, too."""
        if isinstance(other, datetime) and not (isinstance(other, Moving) and other.uses is self.uses):
            self.uses.is_read = True
        return True

    def __add__(self, span: timedelta) -> Moving:
        return self._moved(span)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        if isinstance(other, timedelta):
            return self._moved(-other)
        return self._is_kin(other) and plain(self) - (plain(other) if isinstance(other, Moving) else other)

    def __rsub__(self, other: Any) -> Any:
        return self._is_kin(other) and other - plain(self)

    def __lt__(self, other: Any) -> bool:
        return self._is_kin(other) and datetime.__lt__(self, other)

    def __le__(self, other: Any) -> bool:
        return self._is_kin(other) and datetime.__le__(self, other)

    def __gt__(self, other: Any) -> bool:
        return self._is_kin(other) and datetime.__gt__(self, other)

    def __ge__(self, other: Any) -> bool:
        return self._is_kin(other) and datetime.__ge__(self, other)

    def __eq__(self, other: object) -> bool:
        return self._is_kin(other) and datetime.__eq__(self, other)

    __hash__ = datetime.__hash__

    def __str__(self) -> str:
        self.uses.is_read = True
        return str(plain(self))

    __repr__ = __str__

    def __format__(self, spec: str) -> str:
        self.uses.is_read = True
        return format(plain(self), spec)

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        self.uses.is_read = True
        return plain(self).__reduce_ex__(protocol)


def plain(moment: Moving) -> datetime:
    """The moment itself, without a note."""
    return datetime.combine(datetime.date(moment), datetime.timetz(moment))


@dataclass(frozen=True)
class Template:
    """A statement whose parameters `moving`, by their places, are times so far from now, and `ids` the scope."""

    sql: str
    params: Sequence[Any]
    moving: dict[int, timedelta] = field(default_factory=dict)
    ids: tuple[int, ...] = ()

    @classmethod
    def of(cls, statement: Statement, *, scope: Scope, uses: Uses) -> Template | None:
        """None where the statement would be another at another moment."""
        sql, params = statement
        is_fixed = uses.is_read or any(isinstance(item, Moving) for param in params for item in in_list(param))
        if is_fixed:
            return None
        moving = {place: param.away for place, param in enumerate(params) if isinstance(param, Moving)}
        return cls(sql, params, moving, tuple(place for place, param in enumerate(params) if param is scope.text))

    def statement(self, *, scope: Scope, now: datetime) -> Statement:
        params = list(self.params)
        for place, away in self.moving.items():
            params[place] = now + away
        for place in self.ids:
            params[place] = scope.text
        return self.sql, params


def in_list(param: Any) -> Sequence[Any]:
    return param if isinstance(param, list | tuple) else ()
