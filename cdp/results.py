"""Result files of runs: streamed to those who may see personal data, since they hold rows of it."""

from __future__ import annotations

from pathlib import PurePath

from django.core.exceptions import PermissionDenied
from django.core.files.storage import default_storage
from django.http import FileResponse, Http404
from django.utils.translation import gettext as _

from cdp.disclosure import Viewer, may_see_pii
from cdp.models import Run


def result_response(run: Run, user: Viewer) -> FileResponse:
    """The result file of a run as a download, in pieces, never whole in memory.

    Raises:
        PermissionDenied: this user may not see personal data.
        Http404: the run has none, or it was cleaned up meanwhile.
    """
    if not may_see_pii(user):
        raise PermissionDenied
    if not run.result_file or not default_storage.exists(run.result_file):
        raise Http404(_("This run has no result file, or it was deleted since."))
    file = default_storage.open(run.result_file)
    return FileResponse(file, as_attachment=True, filename=PurePath(run.result_file).name)
