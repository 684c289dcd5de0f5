"""JSON in, a checked Rule out, or all that is wrong with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from django.utils.translation import gettext as _

from cdp.rules.ast import All, AnyOf, Node, NotIt, Rule
from cdp.rules.base import Given, Operator, operators
from cdp.rules.catalogue import catalogue
from cdp.rules.errors import WRONG, Place, Problem, RuleError, Wrong, quoted
from cdp.rules.shapes import Name, Shape

MAX_LEVELS = 8
MAX_CONDITIONS = 200
GROUPS = ("all", "any", "not")


@dataclass(frozen=True)
class Draft:
    """A condition whose names are not looked up yet; `WRONG` among its parameters stands for one of a wrong shape."""

    operator: type[Operator]
    params: Mapping[str, Any]
    at: Place

    def names(self) -> Iterator[Name]:
        """Each name that it speaks of."""
        for key, shape, value in self._given():
            yield from shape.names(value, self.at.key(key))

    def n_conditions(self) -> int:
        """Itself, and its conditions on properties."""
        return 1 + sum(shape.n_conditions(value) for _key, shape, value in self._given())

    def given(self, known: Mapping[str, Mapping[str, Any]]) -> Given:
        """What is right of it, once the names are known."""
        unknown = {
            key
            for key, shape, value in self._given()
            if any(name not in known[kind] for kind, name, _at in shape.names(value, self.at))
        }
        right = {key: value for key, _shape, value in self._given() if key not in unknown}
        return Given(right, known, self.at, wrong=frozenset(self.params.keys() - right.keys()))

    def _given(self) -> Iterator[tuple[str, Shape, Any]]:
        """The parameters that were read."""
        for key, param in self.operator.params.items():
            if key in self.params and self.params[key] is not WRONG:
                yield key, param.shape, self.params[key]


@dataclass(frozen=True)
class Group:
    """A group of drafts; `make` turns its nodes into a node of the tree."""

    make: Callable[[tuple[Node, ...]], Node]
    children: tuple[Group | Draft | Wrong, ...]


Sketch: TypeAlias = Group | Draft | Wrong


def parse_rule(value: Any) -> Rule:
    """Check rule JSON whole and make the rule.

    Two passes, so that all names are looked up in one query a kind: shapes first, then meanings.

    Raises:
        RuleError: with every problem and its path.
    """
    (parsed,) = parse_rules([value])
    if isinstance(parsed, RuleError):
        raise parsed
    return parsed


def parse_rules(values: Iterable[Any]) -> list[Rule | RuleError]:
    """The same for many rules, with one query a kind of name for all of them: in a list, each rule or its errors."""
    readings = [_read(value) for value in values]
    known = _look_up([draft for reading in readings for draft in reading.drafts])
    return [_finish(reading, known) for reading in readings]


def names_in(value: Any) -> list[Name]:
    """The kind, the name and the place of each name that rule JSON speaks of, known or not."""
    return [found for draft in _read(value).drafts for found in draft.names()]


@dataclass(frozen=True)
class Reading:
    """A rule whose shape was read; `drafts` are empty where it is too long."""

    sketch: Sketch
    drafts: list[Draft]
    problems: list[Problem]


def _read(value: Any) -> Reading:
    problems: list[Problem] = []
    at = Place("", problems)
    sketch = _read_node(value, at, level=1)
    drafts = list(_drafts(sketch))
    if sum(draft.n_conditions() for draft in drafts) > MAX_CONDITIONS:
        return Reading(at.report(_("a rule has at most %(most)d conditions") % {"most": MAX_CONDITIONS}), [], problems)
    return Reading(sketch, drafts, problems)


def _finish(reading: Reading, known: Mapping[str, Mapping[str, Any]]) -> Rule | RuleError:
    root = _build(reading.sketch, known)
    if reading.problems or isinstance(root, Wrong):
        return RuleError(reading.problems)
    return Rule(root)


def _read_node(raw: Any, at: Place, *, level: int) -> Sketch:
    if not isinstance(raw, dict):
        return at.report(_("must be a group or a condition: an object with all, any, not or op"))
    kinds = [key for key in (*GROUPS, "op") if key in raw]
    if len(kinds) != 1:
        for kind in kinds[: -1 if "op" in raw else None]:
            _read_group({kind: raw[kind]}, kind, at, level=level)
        return at.report(_("must have exactly one of: all, any, not, op"))
    return _read_condition(raw, at) if kinds == ["op"] else _read_group(raw, kinds[0], at, level=level)


def _read_group(raw: dict[str, Any], kind: str, at: Place, *, level: int) -> Sketch:
    if level > MAX_LEVELS:
        return at.report(_("groups go at most %(most)d levels deep") % {"most": MAX_LEVELS})
    for key in (key for key in raw if key != kind):
        at.key(key).report(_("unknown key; known: %(keys)s") % {"keys": kind})
    inside = at.key(kind)
    if kind == "not":
        return Group(lambda nodes: NotIt(nodes[0]), (_read_node(raw["not"], inside, level=level + 1),))
    if not isinstance(raw[kind], list):
        return inside.report(_("must be a list of groups and conditions"))
    if not raw[kind]:
        return inside.report(_("must not be empty"))
    children = tuple(_read_node(child, inside.item(index), level=level + 1) for index, child in enumerate(raw[kind]))
    return Group(All if kind == "all" else AnyOf, children)


def _read_condition(raw: dict[str, Any], at: Place) -> Sketch:
    operator = operators.get(raw["op"]) if isinstance(raw["op"], str) else None
    if operator is None:
        return at.key("op").report(
            _("unknown operator %(op)s; known: %(operators)s")
            % {"op": quoted(raw["op"]), "operators": ", ".join(sorted(operators))}
        )
    params = operator.fields().read_each(raw, at)
    return Draft(operator, {key: value for key, value in params.items() if key != "op"}, at)


def _drafts(sketch: Sketch) -> Iterator[Draft]:
    match sketch:
        case Draft():
            yield sketch
        case Group(children=children):
            for child in children:
                yield from _drafts(child)


def _look_up(drafts: list[Draft]) -> dict[str, Mapping[str, Any]]:
    """What the catalogues know: {kind: {name: what is known}}; names that they do not know are reported."""
    wanted = [found for draft in drafts for found in draft.names()]
    names: defaultdict[str, set[str]] = defaultdict(set)
    for kind, name, _at in wanted:
        names[kind].add(name)
    known = {kind: catalogue(kind).load(kind_names) for kind, kind_names in names.items()}
    for kind, name, at in wanted:
        if name not in known[kind]:
            at.report(str(catalogue(kind).missing) % {"name": repr(name)})
    return known


def _build(sketch: Sketch, known: Mapping[str, Mapping[str, Any]]) -> Node | Wrong:
    match sketch:
        case Draft(operator):
            given = sketch.given(known)
            if not given.wrong:
                return operator.build(given)
            operator.check(given)
            return WRONG
        case Group(make, children):
            nodes = [_build(child, known) for child in children]
            made = tuple(node for node in nodes if not isinstance(node, Wrong))
            return make(made) if len(made) == len(nodes) else WRONG
        case Wrong():
            return sketch
