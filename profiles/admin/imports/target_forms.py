"""How the page of the columns asks for what the further targets of a row need: tags, segments, suppressions.

A target's part of a mapping is a list of objects. Each app says which fields these have, beside its own target, by
`register_target_form` in a module of its admin; the page makes a row of inputs of each object.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext

from profiles.imports.errors import MappingProblem
from profiles.imports.targets import all_targets

Choices = Callable[[], list[tuple[str, str]]]
PLACE = re.compile(r"(?P<target>\w+)\[(?P<index>\d+)\](?:\.(?P<field>\w+))?")


@dataclass(frozen=True)
class Field:
    """One field of an object: one of `choices`, or, with `from_column`, what stands in a column of the file.

    Without either it is a text. In the JSON a choice is the text itself, a column `{"column": name}`.
    """

    name: str
    label: str | Promise
    choices: Choices | None = None
    from_column: bool = False
    is_required: bool = True


@dataclass(frozen=True)
class TargetForm:
    """`key` is the target's, `label` what the operator ticks, `empty` what to do where there is nothing to choose."""

    key: str
    label: str | Promise
    fields: tuple[Field, ...]
    empty: str | Promise = ""


_forms: dict[str, TargetForm] = {}


def register_target_form(form: TargetForm) -> TargetForm:
    _forms[form.key] = form
    return form


def target_forms() -> list[dict[str, Any]]:
    """The forms of the targets that there are, as the page's script takes them; one query a field with choices."""
    targets = all_targets()
    return [
        {
            "key": form.key,
            "label": str(form.label),
            "empty": str(form.empty),
            "fields": [
                {
                    "name": field.name,
                    "label": str(field.label),
                    "choices": None if field.choices is None else field.choices(),
                    "from_column": field.from_column,
                    "is_required": field.is_required,
                }
                for field in form.fields
            ],
        }
        for form in _forms.values()
        if form.key in targets
    ]


def target_label(key: str) -> str:
    return str(_forms[key].label) if key in _forms else key


def item_in_words(key: str, item: Any) -> str:
    """One object of a target's part of a mapping, by the labels of its form: “Tag: Labels, until: End”."""
    if not isinstance(item, dict):
        return str(item)
    labels = {field.name: str(field.label) for field in _forms[key].fields} if key in _forms else {}
    order = sorted(item, key=lambda name: list(labels).index(name) if name in labels else len(labels))
    said = {name: item[name]["column"] if isinstance(item[name], dict) else item[name] for name in order if item[name]}
    return ", ".join(f"{labels.get(name, name)}: {value}" for name, value in said.items())


def in_words(problem: MappingProblem, mapping: Mapping[str, Any]) -> str:
    """What is wrong with a mapping beside its columns, in the words of the page rather than by its place in JSON."""
    place = PLACE.match(problem.path)
    form = _forms.get(place["target"]) if place else None
    if problem.path == "time" and not mapping.get("time"):
        return gettext("Events need a time: choose “Time” at a column, or write one for all rows.")
    if place is None or form is None:
        return problem.message if problem.path in ("", "identifiers") else f"{problem.path}: {problem.message}"
    field = next((field for field in form.fields if field.name == place["field"]), None)
    if field is None:
        return f"{form.label}: {problem.message}"
    if field.is_required and not mapping[form.key][int(place["index"])].get(field.name):
        return gettext("%(target)s: choose “%(field)s” first.") % {"target": form.label, "field": field.label}
    return f"{form.label}, {field.label}: {problem.message}"
