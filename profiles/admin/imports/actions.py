"""What the buttons on the page of an import do: each asks one service and goes back to the page."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.urls import reverse
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.translation import gettext

from cdp.admin.base import signed_in
from cdp.runs import NotCancellableError, cancel_run
from profiles.imports.errors import ImportFileError
from profiles.models import Import
from profiles.services.drafts import discard_import
from profiles.services.imports import (
    TAKE_BACK,
    ImportStateError,
    queue_import,
    refused_name,
    refused_rows,
)


def to_page(imported: Import) -> HttpResponse:
    return HttpResponseRedirect(reverse("admin:profiles_import_change", args=[imported.pk]))


def start_view(request: HttpRequest, imported: Import, context: dict[str, Any]) -> HttpResponse:
    """Queue the import, or with `dry_run` a run that takes nothing."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    try:
        seen = request.POST.get("seen")
        queue_import(imported, user=signed_in(request), dry_run="dry_run" in request.POST, seen=seen)
    except (ImportFileError, ImportStateError) as error:
        messages.error(request, str(error))
    return to_page(imported)


def stop_view(request: HttpRequest, imported: Any, context: dict[str, Any]) -> HttpResponse:
    """Stop whatever runs of it; what was taken in stays."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    if imported.run_id is None:
        return to_page(imported)
    try:
        cancel_run(imported.run_id, now=timezone.now())
    except NotCancellableError as error:
        messages.warning(request, str(error))
    else:
        if imported.run.kind == TAKE_BACK:
            messages.info(request, gettext("It stops after the rows in hand. What was taken back is gone."))
        else:
            messages.info(request, gettext("It stops after the rows in hand. Those that were taken in stay."))
    return to_page(imported)


def discard_view(request: HttpRequest, imported: Import, context: dict[str, Any]) -> HttpResponse:
    """Delete an import that was never started, and its file."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    try:
        discard_import(imported.pk)
    except ImportStateError as error:
        messages.error(request, str(error))
        return to_page(imported)
    messages.success(request, gettext("The file was deleted. Nothing was imported."))
    return HttpResponseRedirect(reverse("admin:profiles_import_changelist"))


def refused_file(imported: Import) -> StreamingHttpResponse:
    """The refused rows as a download, in pieces."""
    if not imported.refused_file:
        raise Http404
    answer = StreamingHttpResponse(refused_rows(imported), content_type="application/octet-stream")
    answer["Content-Disposition"] = content_disposition_header(True, refused_name(imported)) or "attachment"
    return answer
