"""The form of the third step as plain data: what each column becomes, as the page's script holds it, and as a mapping.

A column has any number of uses, each `{"as": …, "key": …, "type": …, "format": …, "more": …}`:

    identifier, trait, consent, property    `key` is the kind, attribute, channel or property
    event, time, value, message_id          the column alone says it

`format` is that of dates and of numbers, `more` what the form does not show of a use and gives back, such as words and
what they stand for. What a mapping says beside its columns (constants, zone, targets) stands beside them in the state.
`mapping_of(state_of(mapping))` says what the mapping said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from profiles.imports.mapping import kinds_of

KEYED = {"identifier": "identifiers", "trait": "traits", "consent": "consents", "property": "properties"}
TYPED = ("trait", "property")
FORMATTED = ("time", "value")
ALONE = ("event", "time", "value", "message_id")
ALONE_NAMES = {
    "event": gettext_lazy("name of the event"),
    "time": gettext_lazy("time"),
    "value": gettext_lazy("value of the event"),
}
SHOWN = ("key", "type", "format")  # of a use, what the form shows
CONSTANTS = ("traits", "properties")
AS_THEY_ARE = ("format", "encoding", "delimiter", "header")


class StateError(ValueError):
    """The state is not one that the page makes, or says two things of one column; the text says what."""


def state_of(mapping: Mapping[str, Any], columns: Iterable[str]) -> dict[str, Any]:
    """A mapping as the form shows it; columns that the file lacks come last, so that they can be put right."""
    uses: dict[str, list[dict[str, Any]]] = {name: [] for name in columns}
    for as_, section in KEYED.items():
        for name, said in part(mapping, section).items():
            each_said = kinds_of(said) if as_ == "identifier" else [said]
            uses.setdefault(name, []).extend(use_of(as_, each) for each in each_said)
    for name, use in alone_of(mapping):
        uses.setdefault(name, []).append(use)
    event, time = mapping.get("event"), mapping.get("time")
    constants = part(mapping, "constants")
    return {
        "columns": [{"name": name, "uses": found} for name, found in uses.items()],
        "event": event if isinstance(event, str) else "",
        "time": time["constant"] if isinstance(time, dict) and isinstance(time.get("constant"), str) else "",
        "timezone": mapping.get("timezone") or "",
        "people": mapping.get("people") or "",
        "constants": [
            {"in": section, "key": key, "value": value}
            for section in CONSTANTS
            for key, value in part(constants, section).items()
        ],
        "targets": {key: said for key, said in mapping.items() if isinstance(said, list) and key != "message_id"},
        "reading": {key: mapping[key] for key in AS_THEY_ARE if key in mapping},
    }


def part(mapping: Mapping[str, Any], section: str) -> Mapping[str, Any]:
    found = mapping.get(section)
    return found if isinstance(found, dict) else {}


def use_of(as_: str, said: Any) -> dict[str, Any]:
    """One use from `"key"` or `{"key": …, "type": …}`."""
    given = said if isinstance(said, dict) else {"key": said}
    more = {name: value for name, value in given.items() if name not in SHOWN}
    return new_use(as_, **{name: given.get(name) or "" for name in SHOWN}, more=more)


def new_use(as_: str, key: str = "", type: str = "", format: str = "", more: Any = None) -> dict[str, Any]:
    return {"as": as_, "key": key, "type": type, "format": format, "more": more or {}}


def alone_of(mapping: Mapping[str, Any]) -> Iterable[tuple[str, dict[str, Any]]]:
    """Columns that are the event, the time, the value or part of the message id."""
    event, time, value = mapping.get("event"), mapping.get("time"), mapping.get("value")
    if isinstance(event, dict) and event.get("column"):
        yield event["column"], new_use("event")
    if isinstance(time, str) and time:
        yield time, new_use("time")
    elif isinstance(time, dict) and time.get("column"):
        yield time["column"], new_use("time", format=time.get("format") or "")
    if isinstance(value, str) and value:
        yield value, new_use("value")
    elif isinstance(value, dict) and value.get("column"):
        yield value["column"], new_use("value", key=value.get("key") or "", format=value.get("format") or "")
    for name in mapping.get("message_id") or []:
        yield name, new_use("message_id")


def mapping_of(state: Mapping[str, Any]) -> dict[str, Any]:
    """The mapping that a state stands for, not yet checked. Raises StateError."""
    mapping: dict[str, Any] = dict(given(state, "reading", dict))
    for column in given(state, "columns", list):
        if not isinstance(column, dict) or not isinstance(column.get("name"), str):
            raise StateError(_("This form is not understood; reload the page."))
        for use in given(column, "uses", list):
            add_use(mapping, column["name"], use)
    for key in ("event", "timezone"):
        if text := given(state, key, str).strip():
            if key in mapping:
                raise StateError(_("The event has a name and a column: choose one of them."))
            mapping[key] = text
    if constant := given(state, "time", str).strip():
        if "time" in mapping:
            raise StateError(_("The time stands in a column and is the same for all rows: choose one of them."))
        mapping["time"] = {"constant": constant}
    if people := given(state, "people", str):
        mapping["people"] = people
    if constants := constants_of(given(state, "constants", list)):
        mapping["constants"] = constants
    mapping |= {key: said for key, said in given(state, "targets", dict).items() if said}
    return mapping


def given(state: Mapping[str, Any], key: str, type_: type) -> Any:
    found = state.get(key, type_())
    if not isinstance(found, type_):
        raise StateError(_("This form is not understood; reload the page."))
    return found


def add_use(mapping: dict[str, Any], column: str, use: Any) -> None:
    """Write what one column becomes into the mapping."""
    if not isinstance(use, dict):
        raise StateError(_("This form is not understood; reload the page."))
    as_, key, format = given(use, "as", str), given(use, "key", str).strip(), given(use, "format", str).strip()
    if as_ in KEYED:
        section = mapping.setdefault(KEYED[as_], {})
        if as_ == "identifier" and column in section:
            add_kind(section, column, key)
            return
        if column in section:
            raise StateError(_("“%(column)s” becomes two things of one kind: remove one.") % {"column": column})
        shown = {"type": given(use, "type", str), "format": format} if as_ in TYPED else {}
        rest = {name: value for name, value in shown.items() if value} | given(use, "more", dict)
        section[column] = {"key": key, **rest} if rest else key
    elif as_ == "message_id":
        mapping.setdefault("message_id", []).append(column)
    elif as_ in ALONE:
        if as_ in mapping:
            raise StateError(_("Two columns are the %(what)s: choose one.") % {"what": ALONE_NAMES[as_]})
        mapping[as_] = alone_as_json(as_, column, key, format)
    elif as_:
        raise StateError(_("This form is not understood; reload the page."))


def add_kind(section: dict[str, Any], column: str, kind: str) -> None:
    """One more kind of identifier that the cells of a column may be; the first that fits counts."""
    kinds = kinds_of(section[column])
    section[column] = kinds if kind in kinds else [*kinds, kind]


def alone_as_json(as_: str, column: str, key: str, format: str) -> Any:
    """`"column"` wherever there is nothing more to say."""
    if as_ == "event":
        return {"column": column}
    said = {"key": key if as_ == "value" else "", "format": format if as_ in FORMATTED else ""}
    more = {name: text for name, text in said.items() if text}
    return {"column": column, **more} if more else column


def constants_of(rows: list[Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        if not isinstance(row, dict) or row.get("in") not in CONSTANTS or not isinstance(row.get("key"), str):
            raise StateError(_("This form is not understood; reload the page."))
        if row["key"].strip():
            found.setdefault(row["in"], {})[row["key"].strip()] = row.get("value", "")
    return found
