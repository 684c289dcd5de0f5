"""What an operator is, and the registry of them. A new operator is one new file in `<app>/operators/`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Self, TypeVar

from django.db.models import Q

from cdp.rules.comparison import comparison_schema
from cdp.rules.errors import Place, Wrong
from cdp.rules.face import Face
from cdp.rules.facts import Fact
from cdp.rules.scope import Scope
from cdp.rules.shapes import NAME, Fields, OneOf, Schema, Shape
from cdp.rules.types import ValueType
from cdp.rules.words import WORDS

# What to show in place of the compared value of a condition (`op` if any, `key`, `value`); empty for the value itself.
Cover = Callable[[Mapping[str, Any]], str]


@dataclass(frozen=True)
class Param:
    """One parameter of an operator."""

    shape: Shape
    required: bool = True


@dataclass(frozen=True)
class Given:
    """A condition as read, before its operator is made: its parameters, and what the catalogues know of the names.

    `wrong` are the parameters that could not be read or name what nobody knows; they are not among `params`.
    """

    params: Mapping[str, Any]
    known: Mapping[str, Mapping[str, Any]]
    at: Place
    wrong: frozenset[str] = frozenset()

    def __getitem__(self, param: str) -> Any:
        return self.params[param]

    def has(self, *params: str) -> bool:
        """Whether all of these are given, and right."""
        return self.params.keys() >= set(params)

    def lacks(self, param: str) -> bool:
        """Whether it is not given at all, right or wrong."""
        return param not in self.params and param not in self.wrong


@dataclass(frozen=True)
class Operator(ABC):
    """A condition of a rule. `params` is the one declaration of its JSON; the dataclass holds what it came to mean.

    It knows the names (ids, types) of the moment when the rule was parsed: parse again for each evaluation.
    """

    op: ClassVar[str]
    face: ClassVar[Face] = Face("", "rule", 99)
    params: ClassVar[Mapping[str, Param]]

    @classmethod
    @abstractmethod
    def build(cls, given: Given) -> Self | Wrong:
        """Make the operator, or report at `given.at` what does not fit together. Nothing given is wrong by itself."""

    @classmethod
    def check(cls, given: Given) -> Wrong | None:
        """Where something given is wrong: report what does not fit together in the rest, that all is said at once."""
        return None

    @abstractmethod
    def predicate(self, scope: Scope, now: datetime) -> Q:
        """The condition on Profile, never NULL, with `scope` in every subquery."""

    @abstractmethod
    def clock(self, after: datetime, until: datetime) -> Q | None:
        """The profiles whose answer may be another at `until` than at `after` by time alone; None where there are none.

        Looked up by an index on what time runs over: it is asked every minute, and again for the whole of a downtime.
        What happens at its own time, such as an event, is on the queue by itself.
        """

    @abstractmethod
    def topics(self) -> frozenset[str]:
        """What it depends on, such as `event:Order Completed`."""

    @abstractmethod
    def describe(self) -> str:
        """The sentence that an operator reads, in the active language."""

    def describe_denied(self) -> str:
        """The sentence of its complement; "" where `describe` stands in brackets after a "not"."""
        return ""

    def covered(self, cover: Cover) -> Operator:
        """The same for reading, with the compared values that `cover` covers."""
        return self

    @classmethod
    def evidence(cls, conditions: Sequence[Self], profile_id: int, now: datetime) -> list[list[Fact]]:
        """What is found of one person at `now`, for each of the conditions: a few queries for all of them."""
        return [[] for _condition in conditions]

    @classmethod
    def fields(cls) -> Fields:
        """The JSON object that states such a condition."""
        shapes = {name: param.shape for name, param in cls.params.items()}
        optional = frozenset(name for name, param in cls.params.items() if not param.required)
        return Fields({"op": NAME, **shapes}, optional)

    @classmethod
    def schema(cls) -> Schema:
        """JSON Schema of such a condition."""
        schema = cls.fields().schema()
        schema["properties"]["op"] = OneOf((cls.op,)).schema()
        if not cls.face.typed_by:
            return schema
        is_by_name = cls.face.typed_by in cls.params
        compared = comparison_schema(WORDS if is_by_name else [ValueType(cls.face.typed_by)])
        if not cls.params["is"].required:
            compared["anyOf"].append({"not": {"anyOf": [{"required": ["is"]}, {"required": ["value"]}]}})
        return {**schema, **compared}


operators: dict[str, type[Operator]] = {}

OperatorClass = TypeVar("OperatorClass", bound=type[Operator])


def register_operator(operator: OperatorClass) -> OperatorClass:
    """Class decorator: the language knows the operator by its `op`."""
    operators[operator.op] = operator
    return operator
