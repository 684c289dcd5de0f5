"""Imports of which nothing was ever taken: thrown away by whoever uploaded them, or when nobody goes on with them."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from profiles.models import Import
from profiles.services.imports import ImportStateError

UNTOUCHED = (Import.State.DRAFT, Import.State.FAILED)


def discard_import(import_id: int) -> None:
    """Delete an import and its file. Raises ImportStateError where something was taken of it, or is being taken."""
    with transaction.atomic():
        Import.objects.select_for_update(of=("self",)).get(pk=import_id)  # a run is queued under this lock too
        draft = Import.objects.with_state().get(pk=import_id)
        if draft.state not in UNTOUCHED:
            raise ImportStateError(_("Rows were taken in already: take the import back instead."))
        file = draft.file
        draft.delete()
        transaction.on_commit(lambda: file.storage.delete(file.name), robust=True)


def purge_drafts(*, before: datetime) -> int:
    """Discard the imports made before this moment that nobody started; returns how many."""
    abandoned = Import.objects.with_state().filter(state__in=UNTOUCHED, created_at__lt=before)
    n_purged = 0
    for import_id in list(abandoned.values_list("pk", flat=True)):
        discard_import(import_id)
        n_purged += 1
    return n_purged
