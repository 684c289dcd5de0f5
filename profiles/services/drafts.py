"""Imports of which nothing was ever taken: thrown away by whoever uploaded them, or when nobody goes on with them."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from profiles.models import Import
from profiles.services.imports import ImportStateError

UNTOUCHED = (Import.State.DRAFT, Import.State.FAILED)


def discard_import(import_id: int) -> bool:
    """Delete an import and its file; returns whether it was still there.

    Raises ImportStateError where something was taken of it, or is being taken.
    """
    with transaction.atomic():
        # A run is queued under this lock too.
        if Import.objects.select_for_update(of=("self",)).filter(pk=import_id).first() is None:
            return False
        draft = Import.objects.with_state().get(pk=import_id)
        if draft.state not in UNTOUCHED:
            raise ImportStateError(_("Rows were taken in already: take the import back instead."))
        file = draft.file
        draft.delete()
        transaction.on_commit(lambda: file.storage.delete(file.name), robust=True)
    return True


def purge_drafts(*, before: datetime) -> int:
    """Discard the imports made before this moment that nobody started; returns how many."""
    abandoned = Import.objects.with_state().filter(state__in=UNTOUCHED, created_at__lt=before)
    return sum(purge_draft(import_id) for import_id in list(abandoned.values_list("pk", flat=True)))


def purge_draft(import_id: int) -> bool:
    """Discard one, unless somebody has started or discarded it just now."""
    try:
        return discard_import(import_id)
    except ImportStateError:
        return False
