"""Events of some names that meet conditions: what the operators that speak of events have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Self

from django.db.models import BooleanField, F, Func, Q, QuerySet, Value
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from cdp.rules.base import Cover
from cdp.rules.catalogue import Option, Wanted, add_catalogue
from cdp.rules.errors import WRONG, Place
from cdp.rules.facts import Fact
from cdp.rules.forms import Form, form_of
from cdp.rules.shapes import ListOf, Name, NameOf, Schema, Shape
from cdp.rules.sql import Sql
from cdp.rules.windows import EVER, Window
from profiles.models import Event, EventDefinition
from profiles.operators.properties import PropertyCondition, conditions_on_events

# Whole phrases, by whether there is a window and whether there are conditions: languages put these elsewhere.
EVENTS = {
    (False, False): "%(names)s",
    (True, False): gettext_lazy("%(names)s %(window)s"),
    (False, True): gettext_lazy("%(names)s (where %(conditions)s)"),
    (True, True): gettext_lazy("%(names)s %(window)s (where %(conditions)s)"),
}


@dataclass(frozen=True)
class EventFacts:
    """The id of a definition, None for an event that nobody has sent yet, which matches nobody; and what it is called:
    its label, else its name. Labels that Strata ships are translated like its own words.
    """

    id: int | None
    called: str | Promise


def load_events(names: Set[str]) -> Mapping[str, EventFacts]:
    """One query."""
    found = EventDefinition.objects.filter(name__in=names).values_list("name", "pk", "label")
    known = {name: EventFacts(pk, gettext_lazy(label) if label else name) for name, pk, label in found}
    return {name: known.get(name) or EventFacts(None, name) for name in names}


def offer_events(wanted: Wanted) -> list[Option]:
    """The planned ones first; those that start with `$` are the system's own, and last."""
    if wanted.names:
        definitions = EventDefinition.objects.filter(name__in=wanted.names)
    else:
        definitions = EventDefinition.objects.filter(
            Q(name__icontains=wanted.term) | Q(label__in=labels_with(wanted.term))
        )
    is_own = Func(F("name"), Value("$"), function="starts_with", output_field=BooleanField())
    chosen = definitions.annotate(is_own=is_own).order_by("is_own", "is_discovered", "name")
    named = [(name, _(label) if label else name) for name, label in chosen.values_list("name", "label")[: wanted.limit]]
    return [Option(name, called, hint=name if called != name else "") for name, called in named]


def labels_with(term: str) -> list[str]:
    """The labels that have the term in them as the reader sees them."""
    if not term:
        return []
    labels = EventDefinition.objects.exclude(label="").values_list("label", flat=True).distinct()
    return [label for label in labels if term.casefold() in _(label).casefold()]


add_catalogue("event", load_events, missing="", offer=offer_events)


class EventNames(Shape):
    """An event's name, or a list of them; read as a tuple."""

    one = NameOf("event")
    many = ListOf(one)

    def read(self, raw: Any, at: Place) -> Any:
        if isinstance(raw, list):
            return self.many.read(raw, at)
        name = self.one.read(raw, at)
        return WRONG if name is WRONG else (name,)

    def names(self, value: tuple[str, ...], at: Place) -> Iterator[Name]:
        return self.many.names(value, at)

    def schema(self) -> Schema:
        return {"anyOf": [self.one.schema(), self.many.schema()]}


@form_of.register
def _names(shape: EventNames) -> Form:
    return {"input": "names", "of": "event"}


@dataclass(frozen=True)
class Happening:
    """Events of `names`, by what they are `called`, that meet all of `where`. A name that nobody has sent yet has no
    definition.
    """

    names: tuple[str, ...]
    called: tuple[str | Promise, ...] = field(compare=False)
    definition_ids: tuple[int, ...]
    where: Sequence[PropertyCondition] = ()

    @classmethod
    def build(cls, params: Mapping[str, Any], known: Mapping[str, EventFacts]) -> Self:
        """From `name` and `where` as read, and what the catalogue knows of the names."""
        events = [known[name] for name in params["name"]]
        ids = {each.id for each in events if each.id is not None}
        called = tuple(each.called for each in events)
        return cls(params["name"], called, tuple(sorted(ids)), params.get("where", ()))

    def conditions(self, now: datetime) -> list[Sql]:
        """Those of `where` as SQL on Event, none of them ever NULL."""
        return conditions_on_events(self.where, now)

    def events(self, now: datetime) -> QuerySet[Event]:
        return Event.objects.filter(*map(Q, self.conditions(now)), definition_id__in=self.definition_ids)

    def topics(self) -> frozenset[str]:
        return frozenset(f"event:{name}" for name in self.names)

    def covered(self, cover: Cover) -> Self:
        return replace(self, where=tuple(each.covered(cover) for each in self.where))

    @property
    def named(self) -> str:
        """Such as "“Buy” or “View”"."""
        return names_in_words(self.called)

    def describe(self) -> str:
        """Such as "“Buy” (where total is more than 5)"."""
        return str(EVENTS[False, bool(self.where)]) % parts_of(self.called, EVER, self.where)


def parts_of(called: Sequence[str | Promise], within: Window, where: Sequence[PropertyCondition]) -> dict[str, str]:
    """What the phrases about events are put together from."""
    return {
        "names": names_in_words(called),
        "window": within.describe(),
        "conditions": pgettext("between conditions", " and ").join(each.describe() for each in where),
    }


def names_in_words(called: Sequence[str | Promise]) -> str:
    return pgettext("between names", " or ").join(_("“%(text)s”") % {"text": name} for name in called)


def no_such_event(happening: Happening) -> Fact:
    return Fact(gettext_lazy("no such event: %(events)s"), {"events": happening.named})


def never_sent(called: Sequence[str | Promise]) -> Fact:
    """Of names that no source has sent of anybody."""
    return Fact(gettext_lazy("nobody has sent %(events)s yet"), {"events": names_in_words(called)})
