"""What refers to a tag, a segment or a tier scheme, or to one of its values or tiers: rules, campaigns, mappings …

Each app tells of its own things in `<app>/dependents.py`. What is binding forbids that the thing goes; the rest, such
as the rule that an archived segment had, is only told of. A thing is named by its holder key, such as `tag:card`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db.models import Model
from django.urls import reverse
from django.utils.functional import Promise


@dataclass(frozen=True)
class Dependent:
    """Something that refers to a thing; `kind` says what it is to programs, `label` to people. `parts` are the values
    or tiers that it names, in order; none: the thing as a whole. `url` is its page in the admin. `note` is what people
    should know of it before they look there.
    """

    kind: str
    label: str | Promise
    key: str
    name: str
    url: str
    parts: tuple[str, ...] = ()
    is_binding: bool = True
    note: str = ""

    @property
    def named(self) -> str:
        """Its name, with the note."""
        return f"{self.name} ({self.note})" if self.note else self.name


Find = Callable[[str], Iterable[Dependent]]


class Mention(NamedTuple):
    """How conditions speak of things of one family: the operator, and its parameters for the key and the parts."""

    op: str
    key: str
    parts: str = ""


_finders: list[Find] = []
_mentions: dict[str, Mention] = {}


def dependents(find: Find) -> Find:
    """Decorator of a function that finds the dependents of a holder key; a few queries at most."""
    _finders.append(find)
    return find


def family_mentioned(prefix: str, mention: Mention) -> None:
    """Declare how rules speak of the things whose keys start with `<prefix>:`."""
    _mentions[prefix] = mention


def dependents_of(holder_key: str) -> list[Dependent]:
    """Everything that refers to a thing but itself: the binding first, then by kind and name."""
    found = [each for find in _finders for each in find(holder_key)]
    return sorted(found, key=lambda each: (not each.is_binding, str(each.label), each.name, each.key))


def binding_on(holder_key: str, parts: Iterable[str] | None = None) -> list[Dependent]:
    """What forbids that a thing goes; or, where `parts` are given, that these of its parts go."""
    gone = None if parts is None else set(parts)
    return [each for each in dependents_of(holder_key) if each.is_binding and (gone is None or gone & set(each.parts))]


def in_rules(
    holder_key: str,
    thing: Model,
    rules: Iterable[Any],
    *,
    own_key: str,
    is_binding: bool = True,
) -> Iterator[Dependent]:
    """The thing with these rules as a dependent, where one of them speaks of `holder_key`; `own_key` is its own."""
    named = [parts for rule in rules for parts in mentions(rule, holder_key)]
    if named and own_key != holder_key:
        yield dependent(thing, parts=dict.fromkeys(part for parts in named for part in parts), is_binding=is_binding)


def dependent(thing: Any, *, parts: Iterable[str] = (), is_binding: bool = True, note: str = "") -> Dependent:
    """A thing with a key, a name and a page in the admin."""
    meta = thing._meta
    page = reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[thing.pk])
    kind = meta.verbose_name_raw.replace(" ", "_")
    return Dependent(kind, meta.verbose_name, thing.key, thing.name, page, tuple(parts), is_binding, note)


def mentions(rule: Any, holder_key: str) -> Iterator[tuple[str, ...]]:
    """The parts that each condition of a rule names which speaks of the thing; read as JSON, since rules of drafts and
    of the archive need not parse.
    """
    prefix, _colon, key = holder_key.partition(":")
    mention = _mentions.get(prefix)
    if mention is None:
        return
    match rule:
        case {"all": list(nodes)} | {"any": list(nodes)}:
            for node in nodes:
                yield from mentions(node, holder_key)
        case {"not": node}:
            yield from mentions(node, holder_key)
        case {"op": op} if op == mention.op and rule.get(mention.key) == key:
            yield tuple(rule.get(mention.parts, ()))
