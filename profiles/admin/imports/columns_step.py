"""The third step: what each column becomes, beside a preview of the first rows as they would be understood."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

import orjson
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext

from cdp.admin.base import signed_in
from profiles.admin.imports.column_form import KEYED, StateError, mapping_of, state_of
from profiles.admin.imports.file_step import facts_of_import
from profiles.admin.imports.target_forms import in_words, target_forms
from profiles.admin.imports.understood import understood_rows
from profiles.imports.cells import as_text
from profiles.imports.errors import ImportFileError, MappingProblem
from profiles.imports.facts import FileFacts
from profiles.models import AttributeDefinition, AttributeType, EventDefinition, IdentifierKind
from profiles.services.imports import ImportStateError, check_mapping, preview_rows, queue_import, read_otherwise
from profiles.templatetags.profile_values import definition_label

N_PREVIEWED = 10
N_SAMPLES = 3
MAX_SUGGESTED = 500
MAX_STATE_CHARACTERS = 500_000


def columns_view(request: HttpRequest, imported: Any, context: dict[str, Any]) -> HttpResponse:
    """Show the form; a POST keeps it and has the whole file checked, or says what is wrong with it."""
    if not context["is_open"]:
        messages.info(request, gettext("Rows of this file were taken in: its columns can no longer be changed."))
        return to_page(imported)
    try:
        facts = facts_of_import(imported)
    except ImportFileError:
        return HttpResponseRedirect(reverse("admin:profiles_import_file", args=[imported.pk]))
    told = ""
    if request.method == "POST":
        try:
            keep(imported, request.POST.get("state", ""))
            if not check_mapping(imported.mapping, facts=facts):
                return go_on(request, imported)
            told = gettext("Something is missing or does not fit: it is marked below.")
        except (StateError, ImportStateError, ImportFileError) as error:
            told = str(error)
    shown = {
        **context,
        "told": told,
        "state": state_of(imported.mapping, filter(None, facts.columns)),
        "choices": choices(facts),
        "targets": target_forms(),
        "zones": sorted(available_timezones()),
        "business_zone": timezone.get_default_timezone_name(),
        **previewed(imported, facts),
    }
    return TemplateResponse(request, "profiles/imports/columns.html", shown)


def preview_view(request: HttpRequest, imported: Any, context: dict[str, Any]) -> HttpResponse:
    """Keep what was chosen so far, and show the first rows by it; for htmx."""
    if request.method != "POST" or not context["is_open"]:
        return HttpResponseNotAllowed(["POST"])
    try:
        facts = facts_of_import(imported)
        keep(imported, request.POST.get("state", ""))
    except (StateError, ImportStateError, ImportFileError) as error:
        return TemplateResponse(request, "profiles/imports/preview.html", {"told": str(error)})
    return TemplateResponse(request, "profiles/imports/preview.html", {**context, **previewed(imported, facts)})


def to_page(imported: Any) -> HttpResponse:
    return HttpResponseRedirect(reverse("admin:profiles_import_change", args=[imported.pk]))


def go_on(request: HttpRequest, imported: Any) -> HttpResponse:
    """To the page of the import, with the check under way if it was asked for. Raises ImportStateError."""
    if "check" in request.POST:
        queue_import(imported, user=signed_in(request), dry_run=True)
    return to_page(imported)


def keep(imported: Any, written: str) -> None:
    """Write the mapping that a state stands for, right or wrong: leaving the page loses nothing.

    Raises StateError, or ImportStateError where somebody has started it meanwhile.
    """
    if len(written) > MAX_STATE_CHARACTERS:
        raise StateError(gettext("There are too many columns for this page; import the file by the API."))
    try:
        state = orjson.loads(written)
    except ValueError as error:
        raise StateError(gettext("This form is not understood; reload the page.")) from error
    if not isinstance(state, dict) or "\\u0000" in written:
        raise StateError(gettext("This form is not understood; reload the page."))
    mapping = mapping_of(state)
    if mapping != imported.mapping:
        read_otherwise(imported, mapping=mapping, dry_run_counts=None, saved_mapping=None)


def choices(facts: FileFacts) -> dict[str, Any]:
    """What the drop-downs offer, and a few cells of each column."""
    return {
        "kinds": [(kind.key, gettext(kind.label)) for kind in IdentifierKind.objects.order_by("priority")],
        "attributes": [
            (definition.key, definition_label(definition), AttributeType(definition.type).label, definition.type)
            for definition in AttributeDefinition.objects.order_by("is_discovered", "pk")[:MAX_SUGGESTED]
        ],
        "types": [(value, label) for value, label in AttributeType.choices],
        "channels": [(channel, gettext(channel)) for channel in settings.CONSENT_CHANNELS],
        "events": list(
            EventDefinition.objects.exclude(name__startswith="$")
            .order_by("is_discovered", "name")
            .values_list("name", flat=True)[:MAX_SUGGESTED]
        ),
        "samples": {name: samples_of(facts, name) for name in facts.columns},
    }


def samples_of(facts: FileFacts, name: str) -> list[str]:
    """The first different cells of a column that hold something."""
    cells = (as_text(row.get(name)) for row in facts.sample)
    return list(dict.fromkeys(cell for cell in cells if cell))[:N_SAMPLES]


def previewed(imported: Any, facts: FileFacts) -> dict[str, Any]:
    """The first rows as understood, or what is wrong with the mapping: by column, and what belongs to none."""
    problems = check_mapping(imported.mapping, facts=facts)
    by_column, rest = placed(problems, imported.mapping)
    if problems:
        return {"column_problems": by_column, "rest": rest, "preview": None}
    try:
        rows = preview_rows(
            Path(imported.file.path),
            imported.mapping,
            facts=facts,
            source=imported.source,
            n=N_PREVIEWED,
            now=timezone.now(),
        )
    except ImportFileError as error:
        return {"column_problems": {}, "rest": [str(error)], "preview": None}
    return {"column_problems": {}, "rest": [], "preview": understood_rows(rows, imported.mapping, facts)}


def placed(problems: list[MappingProblem], mapping: Mapping[str, Any]) -> tuple[dict[str, list[str]], list[str]]:
    """Problems by the column that they are about; a column's name may hold dots itself."""
    by_column: defaultdict[str, list[str]] = defaultdict(list)
    rest = []
    for problem in problems:
        section, _dot, below = problem.path.partition(".")
        named = mapping.get(section) if section in KEYED.values() else None
        columns = [name for name in named or () if below == name or below.startswith(f"{name}.")]
        if columns:
            by_column[max(columns, key=len)].append(problem.message)
        else:
            rest.append(in_words(problem, mapping))
    return dict(by_column), rest
