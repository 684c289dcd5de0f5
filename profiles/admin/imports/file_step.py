"""The second step: how the file is read, and how it begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from unfold.widgets import UnfoldAdminSelectWidget

from profiles.imports.cells import as_text
from profiles.imports.errors import ImportFileError
from profiles.imports.facts import FileFacts
from profiles.imports.readers import reading_as_stored
from profiles.models import Import
from profiles.services.imports import ImportStateError, check_mapping, guess_mapping, inspect_file, read_otherwise

N_ROWS = 10
DELIMITERS = [
    (",", _("Comma")),
    (";", _("Semicolon")),
    ("\t", pgettext_lazy("between columns", "Tab")),
    ("|", _("Vertical bar")),
]


HEADERS = [("names", _("Names of the columns")), ("row", _("A row already"))]


class ReadingForm(forms.Form):
    """How a file is read."""

    format = forms.ChoiceField(label=_("Format"), choices=Import.Format, widget=UnfoldAdminSelectWidget)
    encoding = forms.ChoiceField(label=_("Encoding"), choices=Import.Encoding, widget=UnfoldAdminSelectWidget)
    delimiter = forms.ChoiceField(label=_("Between the columns"), choices=DELIMITERS, widget=UnfoldAdminSelectWidget)
    header = forms.ChoiceField(label=_("First line"), choices=HEADERS, required=False, widget=UnfoldAdminSelectWidget)


def facts_of_import(imported: Import) -> FileFacts:
    """The file, read as the import says. Raises ImportFileError."""
    return inspect_file(Path(imported.file.path), name=imported.name, **reading_as_stored(imported)._asdict())


def file_view(request: HttpRequest, imported: Any, context: dict[str, Any]) -> HttpResponse:
    """Show the first rows; a POST, by htmx, reads the file otherwise, and keeps that where it can be read so."""
    is_chosen = request.method == "POST" and context["is_open"]
    reading = reading_as_stored(imported)
    initial = {**reading._asdict(), "header": "names" if reading.has_header else "row"}
    form = ReadingForm(request.POST if is_chosen else None, initial=initial)
    if form.is_bound and form.is_valid():
        imported.format, imported.encoding, imported.delimiter, header = form.cleaned_data.values()
        imported.mapping = {key: said for key, said in imported.mapping.items() if key != "header"}
        imported.mapping |= {"header": False} if header == "row" else {}
    problem, facts = "", None
    try:
        facts = facts_of_import(imported)
    except ImportFileError as error:
        problem = str(error)
    else:
        if form.is_bound:
            try:
                keep(imported, facts)
            except ImportStateError as error:
                problem = str(error)
    shown = {
        **context,
        "form": form,
        "facts": facts,
        "problem": problem,
        "rows": [[as_text(row.get(name)) for name in facts.columns] for row in facts.sample[:N_ROWS]] if facts else [],
    }
    template = "file_facts" if request.headers.get("HX-Request") else "file"
    return TemplateResponse(request, f"profiles/imports/{template}.html", shown)


def keep(imported: Any, facts: FileFacts) -> None:
    """Keep how the file is read; where its columns are others by that, guess anew what they mean.

    Raises ImportStateError where somebody has started it meanwhile.
    """
    if check_mapping(imported.mapping, facts=facts):
        imported.mapping = guess_mapping(facts, source=imported.source)
    reading = {name: getattr(imported, name) for name in ("format", "encoding", "delimiter", "mapping")}
    read_otherwise(imported, **reading, dry_run_counts=None, n_rows=None)
