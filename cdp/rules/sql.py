"""The few expressions that Django has no word for. Operators and templates are ours; user input is a parameter."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, TypeAlias, cast

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import (
    BooleanField,
    Case,
    Expression,
    F,
    Func,
    QuerySet,
    Subquery,
    TextField,
    Value,
    When,
)

from cdp.json_field import JsonField

Sql: TypeAlias = Expression | F

TRUE = Value(True, output_field=BooleanField())
FALSE = Value(False, output_field=BooleanField())


class Infix(Func):
    """`(a OP b OP c)`, a boolean."""

    output_field = BooleanField()
    template = "(%(expressions)s)"
    arity = None

    def __init__(self, operator: str, *operands: Sql) -> None:
        super().__init__(*operands, arg_joiner=f" {operator} ")


def every(conditions: Sequence[Sql]) -> Sql:
    """All of them; at least one is given."""
    return conditions[0] if len(conditions) == 1 else Infix("AND", *conditions)


class Not(Func):
    template = "NOT %(expressions)s"
    output_field = BooleanField()


def where(present: Sql, condition: Sql) -> Case:
    """`condition` where the value is `present`, else false: never NULL, whatever either says of a missing value."""
    return Case(When(cast(Any, present), then=condition), default=FALSE, output_field=BooleanField())


class At(Func):
    """The value under a key of a JSON object; NULL where there is no such key or no object.

    Not `KeyTransform`, which takes the key "7" for a place in an array.
    """

    template = "(%(expressions)s)"
    arg_joiner = " -> "
    output_field = JsonField()

    def __init__(self, document: Sql, key: str) -> None:
        super().__init__(document, Func(Value(key, TextField()), template="%(expressions)s::text"))


class AsText(Func):
    """The text of a JSON string."""

    template = "(%(expressions)s #>> '{}')"
    output_field = TextField()


class AsNumber(Func):
    """A JSON number or a double as an exact number; an error for other JSON, so it stands behind a check."""

    template = "(%(expressions)s)::numeric"
    output_field = models.DecimalField()


class DoubleAsNumber(Func):
    """The same of a column of doubles, with the decimals of 15 digits. Numbers with at most four after the point come
    by way of an integer, which takes a third of the time.
    """

    template = (
        "CASE WHEN abs(%(expressions)s) < 1e11 AND %(expressions)s * 10000 = round(%(expressions)s * 10000) "
        "THEN (%(expressions)s * 10000)::bigint * 0.0001 ELSE (%(expressions)s)::numeric END"
    )
    output_field = models.DecimalField()


class JsonType(Func):
    function = "jsonb_typeof"
    output_field = TextField()


def json_value(value: Any) -> Value:
    return Value(value, output_field=JsonField())


def text_array(values: Sequence[str]) -> Value:
    return Value(list(values), output_field=ArrayField(TextField()))


def json_array(values: Sequence[Any]) -> Func:
    """An array of JSON values, not a JSON list."""
    field = ArrayField(JsonField())
    return Func(Value(list(values), output_field=field), template="%(expressions)s::jsonb[]", output_field=field)


class IdArray(Func):
    """An array of ids, from its text."""

    template = "%(expressions)s::bigint[]"
    output_field = ArrayField(models.BigIntegerField())

    def __init__(self, text: str) -> None:
        super().__init__(Value(text))


def number_array(values: Sequence[Decimal]) -> Func:
    """An array of numbers, with fractions whatever it is compared with."""
    field = ArrayField(models.DecimalField())  # as the field of the value, it would cast to numeric(None, None)
    return Func(Value(list(values)), template="%(expressions)s::numeric[]", output_field=field)


def any_of_array(left: Sql, array: Sql, *, sign: str = "=") -> Func:
    """`left = ANY(array)` with the array as one parameter, whatever its length; a long one is looked up by hash."""
    return Func(left, array, template="(%(expressions)s))", arg_joiner=f" {sign} ANY(", output_field=BooleanField())


class AmongGroups(Func):
    """Whether the profile is among the profiles of a grouped query, in the shape that the planner can join.

    `profile_id IN (…)` that is denied, or stands under OR, is a list that is scanned again for every profile as soon as
    it outgrows work_mem; a correlated EXISTS with its own GROUP BY is never joined. This one is a semi join, an anti
    join, or under OR a look-up by index.
    """

    template = "EXISTS (SELECT 1 FROM %(expressions)s)"
    arg_joiner = " AS found (profile_id) WHERE found.profile_id = "
    output_field = BooleanField()

    def __init__(self, profile: Sql, groups: Sql | QuerySet[Any, Any]) -> None:
        super().__init__(Subquery(groups) if isinstance(groups, QuerySet) else groups, profile)


class FoundBefore(Func):
    """Whether a value is among those of a query, which the planner plans by itself and does not join to what is around:
    it is carried out once and looked up by hash.
    """

    template = "((%(expressions)s) IS TRUE)"
    arg_joiner = " IN "
    output_field = BooleanField()

    def __init__(self, value: Sql, found: QuerySet[Any, Any]) -> None:
        super().__init__(value, Subquery(found))


class Items(Func):
    """The elements of a JSON list as rows; anything else, missing too, is one row of itself."""

    function = "jsonb_array_elements"
    output_field = JsonField()

    def __init__(self, document: Sql) -> None:
        is_list = cast(Any, Infix("=", JsonType(document), Value("array")))
        alone = Func(document, function="jsonb_build_array", output_field=JsonField())
        super().__init__(Case(When(is_list, then=document), default=alone, output_field=JsonField()))


class Item(Func):
    """The element at hand of the list at `depth` of a FromItems."""

    output_field = JsonField()

    def __init__(self, depth: int) -> None:
        super().__init__(template=f"item_{depth}.value")


class FromItems(Func):
    """`SELECT what FROM list, list in it, … WHERE conditions`, the first list at `depth`; may be correlated.

    With `events`, rows of profile_id and properties, it is `FROM events AS happened, list, …`, and with `having` it is
    grouped by profile: lists are read where their events are, and no properties are sorted or sent on.
    """

    arity = None

    def __init__(
        self,
        what: Sql,
        lists: Sequence[Sql],
        conditions: Sequence[Sql],
        *,
        depth: int,
        events: QuerySet[Any, Any] | None = None,
        having: Sql | None = None,
        output_field: Any = None,
    ) -> None:
        first = [] if events is None else [Subquery(events.values("profile_id", "properties"))]
        last = [] if having is None else [having]
        super().__init__(what, *first, *map(Items, lists), *conditions, *last, output_field=output_field)
        self.depths = range(depth, depth + len(lists))
        self.has_events, self.is_grouped = events is not None, having is not None

    def as_sql(self, compiler: Any, connection: Any, **extra: Any) -> tuple[str, Any]:  # type: ignore[override]
        compiled = [compiler.compile(expression) for expression in self.get_source_expressions()]
        what, *rest = [sql for sql, _params in compiled]
        events = [f"{rest.pop(0)} AS happened (profile_id, properties)"] if self.has_events else []
        grouped = f" GROUP BY happened.profile_id HAVING {rest.pop()}" if self.is_grouped else ""
        n_lists = len(self.depths)
        lists = [f"{sql} AS item_{depth} (value)" for depth, sql in zip(self.depths, rest[:n_lists], strict=True)]
        conditions = " AND ".join(rest[n_lists:])
        inner = f"(SELECT {what} FROM {', '.join(events + lists)} WHERE {conditions}{grouped})"  # noqa: S608 - of compiled parts
        return inner, [param for _sql, params in compiled for param in params]

    def get_group_by_cols(self) -> list[Any]:
        """None: of the row around it, it is one value."""
        return []


class Happened(Func):
    """A column of the events of a FromItems."""

    def __init__(self, column: str, output_field: Any) -> None:
        super().__init__(template=f"happened.{column}", output_field=output_field)


def any_item(document: Sql, conditions: Sequence[Sql], *, depth: int) -> Func:
    """Whether one element of a list meets all the conditions, at least one, which speak of `Item(depth)`."""
    found = FromItems(Value(1), [document], conditions, depth=depth, output_field=models.IntegerField())
    return Func(found, template="EXISTS %(expressions)s", output_field=BooleanField())
