"""Saved mappings: how the columns of a kind of file are understood, and the folders that are watched for such files."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin
from django.db.models import Count, Max, Prefetch, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget, UnfoldBooleanSwitchWidget

from cdp.admin.base import StrataAdmin, display
from cdp.admin.meanwhile import MeanwhileForm
from cdp.disclosure import may_see_pii
from cdp.locks import lock_edited
from profiles.admin.imports.words import file_name, mapping_in_words
from profiles.models import Import, ImportedFile, ImportMapping
from profiles.services.saved_mappings import check_name_is_free

N_FILES = 50


class MappingForm(MeanwhileForm):
    """The name and the folder; the columns are changed on the page of an import, before a real file."""

    class Meta:
        model = ImportMapping
        fields = ("name", "folder", "is_watching")
        widgets = {"folder": UnfoldAdminTextInputWidget, "is_watching": UnfoldBooleanSwitchWidget}

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if "name" in self.changed_data and name != self.instance.name:
            check_name_is_free(name, self.instance.source_id)
        return name

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        if data.get("is_watching") and not data.get("folder") and "folder" not in self.errors:
            self.add_error("folder", _("Which folder? Name the one that files are put into."))
        return data


@admin.register(ImportMapping)
class ImportMappingAdmin(StrataAdmin):
    """Made on the page of an import; here they are renamed, watch a folder, and are deleted."""

    empty_text = _("No mapping is saved yet. Import a file, and save on its page how its columns were understood.")
    form = MappingForm
    list_display = ("name", "source", "watching", "n_imports", "last_import")
    list_filter = ("source", "is_watching")
    list_select_related = ("source",)
    search_fields = ("name", "key")
    search_help_text = _("Key or name")
    ordering = ("name",)
    sortable_by = ("name",)
    fields = ("name", "key", "source", "in_words", "next_file", "folder", "is_watching", "files")
    readonly_fields = ("key", "source", "in_words", "next_file", "files")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ImportMapping]:
        mappings: QuerySet[ImportMapping] = super().get_queryset(request)
        return mappings.annotate(n_used=Count("imports"), last_used_at=Max("imports__created_at"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: MappingForm, change: bool) -> None:
        lock_edited(obj, form.written())
        obj.save()

    @display(description=_("watched folder"))
    def watching(self, saved: ImportMapping) -> str:
        return saved.folder if saved.is_watching else "-"

    @display(description=_("imports"))
    def n_imports(self, saved: Any) -> SafeString:
        address = reverse("admin:profiles_import_changelist")
        return format_html('<a class="st-link" href="{}?mapping={}">{}</a>', address, saved.pk, saved.n_used)

    @display(description=_("last import"))
    def last_import(self, saved: Any) -> Any:
        return saved.last_used_at or "-"

    @display(description=_("columns"))
    def in_words(self, saved: Any) -> SafeString:
        """What each column becomes; constants may be personal, so they need `view_pii` like any mapping."""
        shown = may_see_pii(saved.viewer)
        context = {
            "rows": mapping_in_words(saved.mapping) if shown else [],
            "json": json.dumps(saved.mapping, ensure_ascii=False, indent=2) if shown else "",
        }
        return render_to_string("profiles/imports/mapping_words.html", context)

    @display(description=_("next file"))
    def next_file(self, saved: Any) -> SafeString:
        if not (may_see_pii(saved.viewer) and saved.viewer.has_perm("profiles.add_import")):
            return SafeString("-")
        address = reverse("admin:profiles_import_add")
        return format_html('<a class="st-button" href="{}?mapping={}">{}</a>', address, saved.pk, _("Upload a file"))

    @display(description=_("files that came"))
    def files(self, saved: Any) -> SafeString:
        """The last files of the watched folder, newest first, and what became of each."""
        imports = Prefetch("imported", Import.objects.with_state())
        found = ImportedFile.objects.filter(saved_mapping=saved).prefetch_related(imports).order_by("-pk")[:N_FILES]
        rows = [file_row(each, saved.viewer) for each in found]
        context = {"rows": rows, "error": saved.watch_error, "is_watching": saved.is_watching}
        return render_to_string("profiles/imports/came.html", context)


def file_row(file: ImportedFile, viewer: Any) -> dict[str, Any]:
    """A file of the folder, and what became of it; why it could not be read only for who may see personal data."""
    imported: Any = file.imported
    return {
        "file": file,
        "name": file_name(file, viewer),
        "error": file.error if may_see_pii(viewer) else "",
        "state": Import.State(imported.state).label if imported else "",
        "n_refused": imported.counts.get("refused", 0) if imported else 0,
    }
