"""Later files that lost rows by the taking back of an earlier one, and their import once more.

A file whose rows were there already did not write them again. Where an import that is taken back had written them, they
go with it, though the later file says them too: it is taken in again then, as far as it is still stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from cdp.models import Run, User
from cdp.runs import queue_run
from profiles.imports.again import is_through
from profiles.imports.mapping import CREATE
from profiles.models import Import
from profiles.models.imports import IMPORT_AGAIN
from profiles.services.imports import ImportStateError, check_enabled, run_params


class Leaning(NamedTuple):
    """A later import that lost rows, or would. `is_kept`: its file is still stored; `is_again`: it came again since."""

    import_: Import
    is_kept: bool
    is_again: bool


def leaning_on(import_: Import) -> QuerySet[Import]:
    """Later imports, in their order, that found rows, or words of rows, as they stood and did not write them again.
    Where `import_` had written them they go, or went, with it, and only these files bring them back.

    What tags, suppresses or puts into segments alone is none of them: whom it names so stays (`Taking.release_named`).

    Later is what began later: a file may be uploaded, mapped at leisure, and imported after one that came since.
    """
    began = import_.started_at
    if began is None:
        return Import.objects.none()
    is_later = Q(started_at__gt=began) | Q(started_at=began, pk__gt=import_.pk)
    later = Import.objects.standing().filter(is_later, source=import_.source_id)
    if import_.taken_back_at is not None:
        later = later.filter(started_at__lt=import_.taken_back_at)
    says_words = Q(mapping__has_any_keys=["traits", "constants", "consents", "event"]) | Q(mapping__people=CREATE)
    found_so = (Q(counts__unchanged__gt=0) & says_words) | Q(counts__known_events__gt=0) | Q(counts__known_words__gt=0)
    return later.filter(found_so).select_related("run").order_by("started_at", "pk")


def lost_by(import_: Import, *, of: Iterable[Import]) -> Iterator[Leaning]:
    """Those `of` them with what can become, or became, of each since `import_` was taken back. Looks for each file."""
    has_gone, taken_back = import_.taken_back_at is not None, import_.run_id or 0
    for later in of:
        yield Leaning(
            later,
            is_kept=later.file.storage.exists(later.file.name or ""),
            is_again=has_gone and is_through(later, run_before=taken_back),
        )


def missing(import_: Import) -> Iterator[Import]:
    """Those of them that can be taken in again, and were not since `import_` was taken back, in their order."""
    done = {"run__kind": IMPORT_AGAIN, "run__state": Run.State.SUCCEEDED, "run__gt": import_.run_id or 0}
    for found in lost_by(import_, of=leaning_on(import_).exclude(**done).defer("mapping", "dry_run_counts")):
        if found.is_kept and not found.is_again:
            yield found.import_


def again_run(import_: Import) -> Run | None:
    """The latest run that imports again what leaned on `import_`."""
    return Run.objects.filter(kind=IMPORT_AGAIN, subject=f"import:{import_.pk}").order_by("-pk").first()


def import_again(import_: Import, *, user: User | None) -> Run:
    """Queue one run that takes in again the files that leaned on `import_`, in their order, as of when they were
    imported first (kind `import_again`, subject `import:<id>`); each of these imports shows it as its own.

    Files that are no longer stored, and those that were taken in again already, are left out.

    Raises ImportStateError; ImportFileError where the source is disabled.
    """
    check_enabled(import_.source)
    with transaction.atomic():
        taken_back = Import.objects.select_for_update(of=("self",)).get(pk=import_.pk)
        if taken_back.taken_back_at is None:
            raise ImportStateError(_("This import was not taken back, so nothing of later files is missing."))
        wanted = [later.pk for later in missing(taken_back)]
        if not wanted:
            raise ImportStateError(_("There is no later file to be imported again."))
        locked = Import.objects.select_for_update(of=("self",)).select_related("run").filter(pk__in=wanted)
        if busy := [str(each) for each in locked.order_by("pk") if each.is_running]:
            raise ImportStateError(
                _("These imports are being worked on: %(imports)s. Ask again when they are done.")
                % {"imports": ", ".join(busy)}
            )
        params = {**run_params(import_), "later": wanted}
        run = queue_run(IMPORT_AGAIN, f"import:{import_.pk}", user, params, cancellable=True)
        Import.objects.filter(pk__in=wanted).update(run=run)
        return run
