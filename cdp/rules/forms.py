"""What input a shape needs: JSON that the builder of rules (static/strata/rules/inputs.js) makes inputs of.

A new shape registers what it needs beside itself: `@form_of.register`. Each answer names its `input`; the rest
is what that input wants to know.
"""

from __future__ import annotations

from functools import singledispatch
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from cdp.rules.shapes import (
    MAX_ITEMS,
    Anything,
    Choice,
    Day,
    Fields,
    ListOf,
    NameOf,
    Number,
    OneOf,
    Pair,
    Percent,
    Scalar,
    Shape,
    Text,
    TrueOrFalse,
    WholeNumber,
)
from cdp.rules.windows import CALENDAR_WORDS, DATES, ONE_KEY, DaysAgo, WindowShape

Form = dict[str, Any]

# How a choice of some keys is offered; "…" is where the value stands.
CHOICES: dict[str, Promise] = {
    "days": _("… days"),
    "hours": _("… hours"),
    "last_days": _("in the last … days"),
    "last_hours": _("in the last … hours"),
    "days_ago": _("from … to … days ago"),
}


@singledispatch
def form_of(shape: Shape) -> Form:
    """The input of a shape."""
    raise NotImplementedError(type(shape).__name__)


@form_of.register
def _anything(shape: Anything) -> Form:
    return {"input": "value"}


@form_of.register
def _text(shape: Text) -> Form:
    return {"input": "text", "most": shape.most}


@form_of.register
def _name_of(shape: NameOf) -> Form:
    return {"input": "name", "of": shape.kind}


@form_of.register
def _one_of(shape: OneOf) -> Form:
    return {
        "input": "one",
        "options": [{"value": word, "label": str(shape.labels.get(word, word))} for word in shape.words],
    }


@form_of.register
def _number(shape: Number) -> Form:
    return {"input": "number"}


@form_of.register
def _percent(shape: Percent) -> Form:
    return {"input": "number", "least": 0, "most": 100, "unit": "%"}


@form_of.register
def _whole_number(shape: WholeNumber) -> Form:
    return {"input": "number", "whole": True, "least": shape.least, "most": shape.most}


@form_of.register
def _true_or_false(shape: TrueOrFalse) -> Form:
    return {"input": "boolean"}


@form_of.register
def _scalar(shape: Scalar) -> Form:
    return {"input": "scalar"}


@form_of.register
def _day(shape: Day) -> Form:
    return {"input": "day"}


@form_of.register
def _list_of(shape: ListOf) -> Form:
    few = {"most": shape.most} if shape.most < MAX_ITEMS else {}
    return {"input": "list", "item": form_of(shape.item), **few}


@form_of.register
def _pair(shape: Pair) -> Form:
    return {"input": "pair", "item": form_of(shape.item)}


@form_of.register
def _days_ago(shape: DaysAgo) -> Form:
    return {"input": "pair", "item": {"input": "number", "whole": True, "least": 0}, "start": [60, 30]}


@form_of.register
def _fields(shape: Fields) -> Form:
    fields = {key: form_of(each) for key, each in shape.shapes.items()}
    return {"input": "fields", "fields": fields, "optional": sorted(shape.optional)}


@form_of.register
def _choice(shape: Choice) -> Form:
    return variants([variant(CHOICES.get(key, key), **{key: each}) for key, each in shape.shapes.items()])


@form_of.register
def _window(shape: WindowShape) -> Form:
    rolling = [variant(CHOICES[key], **{key: each}) for key, each in ONE_KEY.shapes.items() if key in CHOICES]
    calendar = [constant(label, {"calendar": word}) for word, label in CALENDAR_WORDS.items()]
    since, until = DATES.shapes["since"], DATES.shapes["until"]
    dates = [
        variant(_("since …"), since=since),
        variant(_("until …"), until=until),
        variant(_("from … to …"), since=since, until=until),
    ]
    return variants([absent(_("at any time")), *rolling, *dates, *calendar])


def variants(each: list[Form]) -> Form:
    """A value that is one of several things; which, the builder tells by its keys."""
    return {"input": "variants", "variants": each}


def variant(label: Promise | str, **keys: Shape) -> Form:
    """An object with these keys."""
    return {"label": str(label), "keys": {key: form_of(shape) for key, shape in keys.items()}}


def constant(label: Promise | str, value: Any) -> Form:
    return {"label": str(label), "constant": value}


def absent(label: Promise | str) -> Form:
    """No value at all: the parameter is left out."""
    return {"label": str(label), "absent": True}
