"""Taking an import back: first what would go, then, once that is confirmed, the run that does it; and the later files
that lost rows by that, to be imported again.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.utils.translation import gettext

from cdp.admin.base import has_perm, signed_in
from profiles.admin.imports.actions import to_page
from profiles.admin.imports.words import counted, counted_back, leaning_context
from profiles.imports.errors import ImportFileError
from profiles.models import Import
from profiles.services.import_again import import_again
from profiles.services.imports import ImportStateError, preview_take_back, take_back

STANDING = (Import.State.COMPLETE, Import.State.STOPPED, Import.State.PARTLY_TAKEN_BACK)


def can_be_taken_back(imported: Any) -> bool:
    """Of an import of which every row was refused there is nothing."""
    return imported.state in STANDING and imported.has_taken_in


def take_back_view(request: HttpRequest, imported: Any, context: dict[str, Any]) -> HttpResponse:
    """Show what would go; once that is confirmed, queue it."""
    if not has_perm(request, "profiles.change_import"):
        raise PermissionDenied
    if not can_be_taken_back(imported):
        messages.warning(request, gettext("Nothing of this import can be taken back now."))
        return to_page(imported)
    if request.method == "POST":
        try:
            take_back(imported, user=signed_in(request))
        except ImportStateError as error:
            messages.error(request, str(error))
        return to_page(imported)
    told = {
        "expected": counted_back(preview_take_back(imported)),
        "taken_in": counted(imported.counts),
        **leaning_context(imported, request.user),
    }
    return TemplateResponse(request, "profiles/imports/take_back.html", {**context, **told})


def again_view(request: HttpRequest, imported: Any, context: dict[str, Any]) -> HttpResponse:
    """Queue the import, once more, of the later files that lost rows."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    try:
        import_again(imported, user=signed_in(request))
    except (ImportStateError, ImportFileError) as error:
        messages.warning(request, str(error))
    return to_page(imported)
