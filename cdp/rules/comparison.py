"""A comparison: `is` and its value, read by the type of what is compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from django.utils.translation import gettext as _

from cdp.rules.errors import WRONG, Place, Wrong
from cdp.rules.operands import Operand
from cdp.rules.shapes import ListOf, Pair, Schema
from cdp.rules.slab import Slab
from cdp.rules.sql import TRUE, Not, Sql, where
from cdp.rules.types import ValueType
from cdp.rules.words import WORDS, Word

PIECES = frozenset({"contains", "not_contains", "starts_with", "ends_with", "matches"})


@dataclass(frozen=True)
class Comparison:
    """What is said of a value of `type`, or of any type where that is None (then only `set` and `unset`).

    `cover` is what a sentence shows in place of the value, where it is not empty.
    """

    type: ValueType | None
    word: str
    value: Any = None
    cover: str = ""

    @property
    def is_denial(self) -> bool:
        """Whether it is the complement of another comparison, and so matches the missing."""
        return bool(self._word.denies)

    @property
    def denied(self) -> Comparison:
        """The comparison of which this one is the complement."""
        return Comparison(self.type, self._word.denies, self.value)

    def holds(self, operand: Operand, now: datetime) -> Sql:
        """The comparison as SQL; never NULL."""
        if self.is_denial:
            return Not(self.denied.holds(operand, now))
        return where(operand.present(), self.test(operand, now))

    def test(self, operand: Operand, now: datetime) -> Sql:
        """A comparison that denies nothing, of a value that is there; NULL or false where it is not."""
        if self._word.test is None:
            return operand.present() if self.word == "set" else TRUE
        return self._word.test(operand, self.value, now)

    def clock(self, after: datetime, until: datetime) -> Slab:
        """The values of which it says something else at `until` than at `after`."""
        word = WORDS[self.type][self._word.denies] if self.is_denial else self._word
        return word.clock(self.value, after, until) if word.clock else Slab()

    def describe(self, subject: str, names: Mapping[str, Any] = MappingProxyType({})) -> str:
        """A sentence about the subject, in the active language; `names` say what some values mean."""
        shape = self._word.shape
        if isinstance(shape, Pair):
            low, high = (self.cover or shape.item.show(value) for value in self.value)
            return str(self._word.says) % {"subject": subject, "low": low, "high": high}
        shown = self.cover or (shape.show(self._named(names)) if shape else "")
        return str(self._word.says) % {"subject": subject, "value": shown}

    def _named(self, names: Mapping[str, Any]) -> Any:
        """The value, or each of its values, by name; a piece of text that is looked for has none."""
        if self.word in PIECES:
            return self.value
        if isinstance(self.value, tuple) and isinstance(self._word.shape, ListOf):
            return tuple(str(names.get(each, each)) if names else each for each in self.value)
        return str(names[self.value]) if names and self.value in names else self.value

    @property
    def _word(self) -> Word:
        return WORDS[self.type][self.word]


def comparison_schema(types: Iterable[ValueType | None]) -> Schema:
    """The ways in which `is` and `value` go together for a value of one of the types, beside the keys of an object."""
    ways: dict[str, tuple[Schema | None, list[str]]] = {}
    for words in (WORDS[type_] for type_ in types):
        for name, word in words.items():
            value = word.shape.schema() if word.shape else None
            names = ways.setdefault(repr(value), (value, []))[1]
            names += [name] if name not in names else []
    return {"anyOf": [way_to_compare(names, value) for value, names in ways.values()]}


def way_to_compare(words: list[str], value: Schema | None) -> Schema:
    """`is` is one of the words, with a `value` of that schema, or None: without."""
    asked: Schema = {"enum": words}
    if value is None:
        return {"properties": {"is": asked}, "required": ["is"], "not": {"required": ["value"]}}
    return {"properties": {"is": asked, "value": value}, "required": ["is", "value"]}


def read_comparison(given: Mapping[str, Any], type_: ValueType | None, at: Place) -> Comparison | Wrong:
    """Read `is` and `value` of a condition for the type of what it compares, or report what does not fit."""
    words = WORDS[type_]
    name = given["is"]
    if name not in words:
        return at.key("is").report(
            _("“%(word)s” does not fit a value of the type “%(type)s”; known: %(words)s")
            % {"word": name, "type": type_ or "any", "words": ", ".join(words)}
        )
    shape = words[name].shape
    if shape is None:
        if "value" in given:
            return at.key("value").report(_("“%(word)s” takes no value") % {"word": name})
        return Comparison(type_, name)
    if "value" not in given:
        return at.key("value").report(_("is required"))
    value = shape.read(given["value"], at.key("value"))
    return WRONG if isinstance(value, Wrong) else Comparison(type_, name, value)
