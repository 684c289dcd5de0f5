"""The audit: who changed what and when, and what it was before and after. Admin and API write the same entries.

They are those of Django's admin (`LogEntry`), so the history of a thing's page shows both. Beside the names of the
changed fields, each part of an entry holds its `values`: pairs of before and after by field.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson
from django import forms
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import FieldDoesNotExist
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Model, QuerySet
from django.utils.translation import override

from cdp.disclosure import Viewer, may_see_pii
from cdp.models import User

Values = Mapping[str, Any]  # fields of a thing by name, as JSON


def differences(before: Values, after: Values) -> dict[str, list[Any]]:
    """Pairs of before and after of the fields that differ; None where one side has no such field."""
    names = [*before, *(name for name in after if name not in before)]
    pairs = {name: [before.get(name), after.get(name)] for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def write_addition(user: User, thing: Model, values: Values) -> None:
    write(user, thing, ADDITION, {"added": {}, "values": differences({}, values)})


def write_change(user: User, thing: Model, *, before: Values, after: Values) -> None:
    """One entry, none where nothing differs."""
    if values := differences(before, after):
        fields = [field_name(thing, name) for name in values]
        write(user, thing, CHANGE, {"changed": {"fields": fields}, "values": values})


def write_changes(user: User, things: Sequence[Model], *, before: Values, after: Values) -> None:
    """One entry for each of several things of one model that were changed alike; one statement for a thousand."""
    if (values := differences(before, after)) and things:
        parts = [{"changed": {"fields": [field_name(things[0], name) for name in values]}, "values": values}]
        LogEntry.objects.bulk_create((entry(user, thing, CHANGE, parts) for thing in things), batch_size=1000)


def write_secret_change(user: User, thing: Model, name: str) -> None:
    """That a secret was replaced, and neither what it was nor what it is."""
    write(user, thing, CHANGE, {"changed": {"fields": [field_name(thing, name)]}})


def write_words(user: User, thing: Model, words: str) -> None:
    """That something was done with a thing which changed nothing of it, in English."""
    LogEntry.objects.create(
        user=user,
        content_type=ContentType.objects.get_for_model(thing, for_concrete_model=False),
        object_id=str(thing.pk),
        object_repr=str(thing)[:200],
        action_flag=CHANGE,
        change_message=words,
    )


def write_deletion(user: User, thing: Model, values: Values, *, becomes: Values | None = None) -> None:
    """To be called while the thing still has its id. What it `becomes` may say why it goes."""
    with override(None):
        deleted = {"name": str(thing._meta.verbose_name), "object": str(thing)}
    write(user, thing, DELETION, {"deleted": deleted, "values": differences(values, becomes or {})})


def has_entries(user: User) -> bool:
    """Whether somebody is named by the audit: entries go with their account, so it has to stay."""
    return LogEntry.objects.filter(user=user).exists()


def write(user: User, thing: Model, flag: int, part: dict[str, Any]) -> None:
    entry(user, thing, flag, [part]).save()


def entry(user: User, thing: Model, flag: int, parts: Sequence[dict[str, Any]]) -> LogEntry:
    return LogEntry(
        user=user,
        content_type=ContentType.objects.get_for_model(thing, for_concrete_model=False),
        object_id=str(thing.pk),
        object_repr=str(thing)[:200],
        action_flag=flag,
        change_message=json.dumps(parts, cls=DjangoJSONEncoder, ensure_ascii=False),
    )


def field_name(thing: Model, name: str) -> str:
    """What the field is called on the pages, in English: it is translated when it is shown."""
    with override(None):
        try:
            return str(getattr(thing._meta.get_field(name), "verbose_name", name))
        except FieldDoesNotExist:
            return name


def form_values(form: forms.BaseForm) -> dict[str, list[Any]]:
    """Pairs of before and after of the fields that were changed in a form; none of those that hide what is typed."""
    found = {}
    for name in form.changed_data:
        field = form.fields.get(name)
        if field is None or isinstance(field.widget, forms.PasswordInput):
            continue  # a password, which its form calls by another name than the fields into which it is typed
        before = form.get_initial_for_field(field, name)
        if isinstance(field, forms.ModelChoiceField) and not isinstance(before, Model | list | None):
            before = field.to_python(before)
        values = [plain(before), plain(form.cleaned_data.get(name))]
        if values[0] != values[1]:  # somebody else may have saved the same meanwhile
            found[name] = values
    return found


def plain(value: Any) -> Any:
    """JSON of what a form holds: things by their names."""
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | QuerySet):
        return [plain(inner) for inner in value]
    return value if isinstance(value, str | int | float | None) else str(value)


def with_values(parts: Sequence[dict[str, Any]], form: Any, formsets: Sequence[Any]) -> list[dict[str, Any]]:
    """The parts of the admin's own message of a change, each with its values: of the form, then of each changed row."""
    changed_rows = [
        next(row for row in formset.forms if row.instance.pk == thing.pk)
        for formset in formsets
        for thing, _fields in formset.changed_objects
    ]
    rows = iter(changed_rows)
    found = []
    for part in parts:
        if "changed" in part:
            values = form_values(next(rows) if "name" in part["changed"] else form)
            part = {**part, "values": values}
        found.append(part)
    return found


class Changed(NamedTuple):
    """A field of an entry as people read it; None is "nothing was there"."""

    field: str
    before: Any
    after: Any


def changed_fields(entry: LogEntry, viewer: Viewer) -> list[Changed]:
    """What an entry holds, for those who see personal data; for others nothing, since rules and blocked values may be
    such. An entry in words holds nothing either.
    """
    if not may_see_pii(viewer) or not entry.change_message.startswith("["):
        return []
    parts = orjson.loads(entry.change_message)
    return [Changed(name, *pair) for part in parts for name, pair in part.get("values", {}).items()]
