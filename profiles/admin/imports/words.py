"""What the pages of imports say: counts, mappings, and names of files as a user may see them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.utils.translation import gettext, pgettext
from django.utils.translation import gettext_lazy as _

from cdp.admin.runs import KIND_COUNT_NAMES, progress
from cdp.disclosure import shown_error
from cdp.models import Run
from cdp.templatetags.numbers import grouped
from profiles.admin.imports.column_form import state_of
from profiles.admin.imports.target_forms import item_in_words, target_label
from profiles.masking import masking_for
from profiles.models import AttributeDefinition, IdentifierKind, Import, ImportedFile
from profiles.services.import_again import again_run, leaning_on, lost_by, missing
from profiles.services.imports import IMPORT, TAKE_BACK
from profiles.services.written import Written
from profiles.templatetags.profile_values import definition_label

N_LEANING = 50  # later imports that a page lists
ALWAYS = ("new", "changed", "refused")  # said even where they are none


def counted(counts: Mapping[str, Any] | None) -> list[tuple[str, int]]:
    """Counts by name, the known ones first; nothing where nothing was counted."""
    if not counts:
        return []
    numbers = {key: n for key, n in counts.items() if isinstance(n, int)}
    names = KIND_COUNT_NAMES[IMPORT]
    known = [(str(name), numbers.get(key, 0)) for key, name in names.items() if numbers.get(key) or key in ALWAYS]
    others = [(gettext(key.replace("_", " ")), n) for key, n in numbers.items() if key not in names and n]
    return [*known, *others]


BACK_NAMES = {
    "segments": _("members of segments"),
    "people": _("people"),
    "identifiers": _("identifiers"),
    "events": _("events"),
    "rows": _("rows about people: attributes, consents"),
    "messages": _("messages"),
    "merges": _("merges that it caused, which stay"),
    "kept": _("people who stay, for what somebody wrote of them by hand"),
}


def counted_back(written: Written) -> list[tuple[str, str]] | None:
    """What goes when an import is taken back, and how much; None where it could not be counted in time.

    Messages are how it remembers what it has seen, so they are left out.
    """
    if written.counts is None:
        return None
    more = gettext("%(n)s or more")
    return [
        (back_name(key), more % {"n": grouped(n)} if key in written.at_least else grouped(n))
        for key, n in written.counts.items()
        if n and key != "messages"
    ]


def back_name(key: str) -> str:
    return str(BACK_NAMES.get(key) or gettext(key.replace("_", " ")))


def so_far(run: Run) -> list[tuple[str, int]]:
    """What a run under way has counted, by name: what it took in, or what it took back."""
    if run.kind != TAKE_BACK:
        return counted(run.counts)
    return [(back_name(key), n) for key, n in run.counts.items() if n and key != "messages"]


def file_name(file: Import | ImportedFile, user: Any) -> str:
    """The name of the file; an address or a number in it is masked like anywhere."""
    return masking_for(user).sentence(file.name)


def leaning_context(imported: Import, user: Any) -> dict[str, Any]:
    """Those later imports that lost rows, or would lose them, with the taking back of this one: what
    `profiles/imports/leaning.html` needs.
    """
    has_gone = imported.taken_back_at is not None
    leaning = leaning_on(imported)
    found = list(lost_by(imported, of=leaning[:N_LEANING]))
    run = again_run(imported) if has_gone else None
    is_going = run is not None and run.is_unfinished
    return {
        "leaning": [(each, file_name(each.import_, user)) for each in found],
        "n_more_leaning": leaning.count() - N_LEANING if len(found) == N_LEANING else 0,
        "again_bar": progress(run) if run is not None else "",
        "again_error": shown_error(run, user) if run is not None and run.state == Run.State.FAILED else "",
        "may_again": has_gone and not is_going and next(missing(imported), None) is not None,
        "is_going_again": is_going,
    }


def mapping_in_words(mapping: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Each column that is used, and what it becomes; then what is the same for all rows. Two queries."""
    state = state_of(mapping, [])
    keys = [use["key"] for column in state["columns"] for use in column["uses"]]
    labels = {
        f"trait:{found.key}": definition_label(found) for found in AttributeDefinition.objects.filter(key__in=keys)
    }
    labels |= {f"identifier:{kind.key}": gettext(kind.label) for kind in IdentifierKind.objects.filter(key__in=keys)}
    rows = [
        (column["name"], " · ".join(use_in_words(use, labels) for use in column["uses"])) for column in state["columns"]
    ]
    return [*rows, *for_all_rows(state)]


def use_in_words(use: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    """One use, such as “Phone (who it is)”."""
    as_, key = use["as"], use["key"]
    label = labels.get(f"{as_}:{key}", gettext(key) if as_ == "consent" else key)
    kinds = {
        "identifier": gettext("who it is"),
        "trait": gettext("attribute"),
        "consent": gettext("consent"),
        "property": gettext("property of the event"),
        "event": gettext("name of the event"),
        "time": gettext("time"),
        "value": gettext("value of the event"),
        "message_id": gettext("number of the event"),
    }
    return f"{label} ({kinds[as_]})" if key else kinds[as_]


def for_all_rows(state: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What stands in no column."""
    everywhere = pgettext("of a file", "all rows")
    if state["event"]:
        yield everywhere, f"{state['event']} ({gettext('name of the event')})"
    if state["time"]:
        yield everywhere, f"{state['time']} ({gettext('time')})"
    for constant in state["constants"]:
        yield everywhere, f"{constant['key']}: {constant['value']}"
    for key, items in state["targets"].items():
        yield (
            everywhere,
            f"{target_label(key)}: " + "; ".join(item_in_words(key, item) for item in items),
        )
