"""Pages of lists, `{"next", "previous", "results"}`, by keyset: the thousandth page costs what the first does."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from django.core.exceptions import ValidationError
from django.db.models import BooleanField, F, Field, ForeignKey, Func, Q, QuerySet, Value
from django.utils.timezone import is_naive
from django.utils.translation import gettext as _
from rest_framework import exceptions
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import remove_query_param, replace_query_param

PAGE_SIZE, MAX_PAGE_SIZE = 100, 1000
MAX_ID = 2**63


def page_size_of(request: Request) -> int:
    """`?page_size=`, 1 to 1000; 100 where it is absent."""
    text = request.query_params.get("page_size")
    if text is None:
        return PAGE_SIZE
    if text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MAX_PAGE_SIZE:
        return int(text)
    message = _("must be a whole number from 1 to %(max)d, not %(given)r") % {"max": MAX_PAGE_SIZE, "given": text}
    raise exceptions.ValidationError({"page_size": [message]})


@dataclass(frozen=True)
class Cursor:
    """Where a page starts: after (or, backwards, before) the row with these values of the ordering's fields."""

    is_backwards: bool
    position: tuple[str | int, ...]

    def encode(self) -> str:
        text = orjson.dumps(["p" if self.is_backwards else "n", *self.position])
        return urlsafe_b64encode(text).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> Cursor:
        try:
            direction, *position = orjson.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        except (binascii.Error, ValueError, TypeError) as error:
            raise bad_cursor() from error
        if direction not in ("n", "p") or not all(type(value) in (str, int) for value in position):
            raise bad_cursor()
        return cls(direction == "p", tuple(position))


def bad_cursor() -> exceptions.ValidationError:
    return exceptions.ValidationError({"cursor": [_("is not a cursor of this list; start again without one")]})


class CursorPages(BasePagination):
    """Pages in the queryset's own ordering, which names plain fields, goes one way, and ends with a unique one."""

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        self.request = request
        page_size = page_size_of(request)
        text = request.query_params.get("cursor")
        cursor = Cursor.decode(text) if text is not None else None
        self.ordering = [str(name) for name in queryset.query.order_by or queryset.model._meta.ordering]
        is_backwards = cursor is not None and cursor.is_backwards
        if is_backwards:
            queryset = queryset.order_by(*map(_reverse, self.ordering))
        if cursor is not None:
            queryset = queryset.filter(self._beyond(queryset, cursor))
        rows = list(queryset[: page_size + 1])
        has_more, rows = len(rows) > page_size, rows[:page_size]
        if is_backwards:
            rows.reverse()
        self.next = self._link(rows, False) if rows and (is_backwards or has_more) else None
        self.previous = self._link(rows, True) if rows and (has_more if is_backwards else cursor is not None) else None
        return rows

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"next": self.next, "previous": self.previous, "results": data})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": "string", "format": "uri", "nullable": True}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {"next": link, "previous": link, "results": schema},
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        return [
            {
                "name": "cursor",
                "in": "query",
                "schema": {"type": "string"},
                "description": _("From `next` or `previous` of another page."),
            },
            PAGE_SIZE_PARAMETER,
        ]

    def _beyond(self, queryset: QuerySet[Any], cursor: Cursor) -> Q:
        """The rows past the cursor. A comparison of rows starts in the middle of an index; the one of the first field
        alone keeps the planner from reading partitions in vain."""
        names = [str(name) for name in queryset.query.order_by or self.ordering]
        fields = _fields(queryset, names)
        values = _typed(fields, cursor.position)
        way = "lte" if names[0].startswith("-") else "gte"
        return Q((f"{names[0].lstrip('-')}__{way}", values[0])) & Q(RowBeyond(names, fields, values))

    def _link(self, rows: Sequence[Any], is_backwards: bool) -> str:
        row = rows[0] if is_backwards else rows[-1]
        position = tuple(_position(row, name.lstrip("-")) for name in self.ordering)
        url = remove_query_param(self.request.build_absolute_uri(), "cursor")
        link: str = replace_query_param(url, "cursor", Cursor(is_backwards, position).encode())
        return link


PAGE_SIZE_PARAMETER = {
    "name": "page_size",
    "in": "query",
    "schema": {"type": "integer", "minimum": 1, "maximum": MAX_PAGE_SIZE, "default": PAGE_SIZE},
}


def _reverse(name: str) -> str:
    return name[1:] if name.startswith("-") else f"-{name}"


def _position(row: Any, name: str) -> str | int:
    value = row[name] if isinstance(row, dict) else getattr(row, name)
    return value if isinstance(value, int) else value.isoformat() if hasattr(value, "isoformat") else str(value)


class RowBeyond(Func):
    """`(a, b) > (x, y)`, or `<` where the ordering goes down. It goes one way for all its fields."""

    output_field = BooleanField()

    def __init__(self, names: Sequence[str], fields: Sequence[Field[Any, Any]], values: Sequence[Any]) -> None:
        self.sign = "<" if names[0].startswith("-") else ">"
        assert len({name.startswith("-") for name in names}) == 1, "an ordering of pages goes one way"
        columns = [F(name.lstrip("-")) for name in names]
        given = [Value(value, output_field=field) for value, field in zip(values, fields, strict=True)]
        super().__init__(*columns, *given)

    def as_sql(self, compiler: Any, connection: Any, **extra: Any) -> tuple[str, Any]:  # type: ignore[override]
        compiled = [compiler.compile(expression) for expression in self.get_source_expressions()]
        sql, n = [text for text, _params in compiled], len(compiled) // 2
        params = [param for _sql, given in compiled for param in given]
        return f"({', '.join(sql[:n])}) {self.sign} ({', '.join(sql[n:])})", params


def _fields(queryset: QuerySet[Any], names: Sequence[str]) -> list[Field[Any, Any]]:
    meta = queryset.model._meta
    found = [meta.pk if name.lstrip("-") == "pk" else meta.get_field(name.lstrip("-")) for name in names]
    return [field.target_field if isinstance(field, ForeignKey) else field for field in found]


def _typed(fields: Sequence[Field[Any, Any]], position: Sequence[Any]) -> list[Any]:
    if len(fields) != len(position):
        raise bad_cursor()
    try:
        return [_checked(field.to_python(value)) for field, value in zip(fields, position, strict=True)]
    except (ValidationError, ValueError, TypeError) as error:
        raise bad_cursor() from error


def _checked(value: Any) -> Any:
    """The value itself. Raises ValueError for what PostgreSQL would refuse."""
    if (
        (isinstance(value, int) and not 0 <= value < MAX_ID)
        or (isinstance(value, str) and "\x00" in value)
        or (isinstance(value, datetime) and is_naive(value))
    ):
        raise ValueError(value)
    return value
