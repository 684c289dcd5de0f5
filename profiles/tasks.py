"""Doorways of the profiles app for the workers."""

from __future__ import annotations

from datetime import datetime, timedelta

from celery import shared_task
from django.conf import settings
from django.db import transaction
from django.utils import timezone, translation

from cdp.lanes import work_through
from cdp.models import Run
from cdp.rules.causes import Cause
from cdp.rules.holders import holder_of
from cdp.runs import run_kind
from cdp.uploads import purge_uploads
from profiles.imports.again import take_again
from profiles.imports.engine import import_rows, try_rows
from profiles.ingest.partitions import ensure_partitions as ensure_partitions_of
from profiles.ingest.process import process_batch
from profiles.models import Import, ImportedFile
from profiles.models.imports import IMPORT_AGAIN
from profiles.refresh import changes, check, clock
from profiles.refresh.full import refresh_in_full
from profiles.refresh.queue import CHECK, REFOLD, REFRESH
from profiles.services import definitions, event_values, rejected
from profiles.services.drafts import purge_drafts
from profiles.services.duplicates.bulk import ACCEPT_DUPLICATES, accept_at_least
from profiles.services.duplicates.search import FIND_DUPLICATES, search_duplicates
from profiles.services.duplicates.search import queue_due_search as queue_due_search_of
from profiles.services.imports import DRY_RUN, IMPORT, TAKE_BACK
from profiles.services.moments import INDEX_MOMENTS, index_everybody
from profiles.services.orphans import report_orphans
from profiles.services.stray_files import purge_stray_files
from profiles.services.take_back import take_back_rows
from profiles.services.watch import import_new_files

PARTITIONS_AHEAD = timedelta(days=400)
UPLOAD_KEPT, DRAFT_KEPT = timedelta(days=1), timedelta(days=14)


@shared_task(name="profiles.process_inbox", acks_late=True)
def process_inbox() -> None:
    """Process batches until the inbox is empty. Several may run: they share the messages out."""
    work_through("messages_accepted", lambda: process_batch(now=timezone.now()).n_messages)


@shared_task(name="profiles.ensure_partitions", acks_late=True)
def ensure_partitions() -> None:
    """Make the partitions of this year and those of the next 400 days."""
    now = timezone.now()
    ensure_partitions_of(now.year, (now + PARTITIONS_AHEAD).year)


@shared_task(name="profiles.refresh_changes", acks_late=True)
def refresh_changes() -> None:
    """Judge whoever changed until the queue is empty. Several may run: they share the rows out."""
    work_through("profiles_changed", lambda: changes.refresh_changes(now=timezone.now))


@shared_task(name="profiles.queue_due_search")
def queue_due_search() -> None:
    """Once a week, search for duplicates."""
    queue_due_search_of(now=timezone.now())


@run_kind(FIND_DUPLICATES)
def find_duplicates(run: Run, now: datetime) -> None:
    """Suggest pairs of profiles that are probably one person."""
    search_duplicates(run, now=now)


@run_kind(ACCEPT_DUPLICATES)
def accept_duplicates(run: Run, now: datetime) -> None:
    """Accept the suggestions that are at least as probable as `run.params["at_least"]` says."""
    accept_at_least(run, now=now)


@shared_task(name="profiles.clean_up_uploads")
def clean_up_uploads() -> None:
    """Delete what was uploaded and left: files that stopped coming in or never got a row, and imports that nobody
    started.
    """
    now = timezone.now()
    purge_uploads(before=now - UPLOAD_KEPT)
    purge_stray_files(before=now - UPLOAD_KEPT)
    purge_drafts(before=now - DRAFT_KEPT)


@shared_task(name="profiles.follow_time")
def follow_time() -> None:
    """Put on the queue those whose answer to a rule time alone may have changed since the last time."""
    clock.follow_time(now=timezone.now())


@shared_task(name="profiles.queue_due_check")
def queue_due_check() -> None:
    """Once a night, check everything that rules fill."""
    check.queue_due_check(now=timezone.now())


@run_kind(CHECK)
def check_everything(run: Run, now: datetime) -> None:
    """Judge everybody for everything that rules fill, and correct what is not as they say; then look for orphans."""
    check.check_everything(run, now=timezone.now)
    report_orphans(run)


@run_kind(REFRESH)
def refresh(run: Run, now: datetime) -> None:
    """Refresh the holder that the run's subject names, in full; the clock is read once nobody else judges for it."""
    cause = Cause(run.params.get("cause", Cause.RULE))
    refresh_in_full(holder_of(run.subject), now=timezone.now, cause=cause, run=run)


@run_kind(REFOLD)
def refold(run: Run, now: datetime) -> None:
    """Fold everybody again, after a change of what the run's subject names."""
    definitions.refold(run)


@run_kind(event_values.PROMOTE)
def promote(run: Run, now: datetime) -> None:
    """Give the events stored so far the value that the definition of the run's subject names now."""
    event_values.promote_values(run)


@run_kind(INDEX_MOMENTS)
def index_moments(run: Run, now: datetime) -> None:
    """Put the dates and times of everybody's golden record where the clock of rules finds them."""
    index_everybody(run)


@run_kind(rejected.REPLAY)
@run_kind(rejected.DISCARD)
def settle_rejected(run: Run, now: datetime) -> None:
    """Replay or discard the rejected messages that `run.params` choose."""
    rejected.carry_out(run)


@shared_task(name="profiles.purge_rejected", acks_late=True)
def purge_rejected() -> None:
    """Delete rejected messages that nobody cared for in `settings.REJECTED_MESSAGE_DAYS` days, and old examples."""
    now, days = timezone.now(), settings.REJECTED_MESSAGE_DAYS
    rejected.purge_rejected(now=now, days=days)
    rejected.purge_examples(now=now, days=days)


@shared_task(name="profiles.watch_folders")
def watch_folders() -> None:
    """Import the new files of the watched folders."""
    import_new_files(now=timezone.now())


def language_of(run: Run) -> translation.override:
    """That of whoever asked for the run, in which its reasons are read."""
    return translation.override(run.params.get("language", settings.LANGUAGE_CODE))


@run_kind(IMPORT, is_long=True)
def import_file(run: Run, now: datetime) -> None:
    """Take in the file of the import that `run.params` name, from where it was left; then the next of its folder."""
    imported = Import.objects.select_related("source", "user").get(pk=run.params["import"])
    with language_of(run):
        import_rows(imported, run, now=now)
    if ImportedFile.objects.filter(imported=imported).exists():
        transaction.on_commit(watch_folders.delay, robust=True)  # beat looks too, where the broker is away


@run_kind(DRY_RUN, is_long=True)
def try_import(run: Run, now: datetime) -> None:
    """Count what the import would do."""
    with language_of(run):
        try_rows(Import.objects.select_related("source").get(pk=run.params["import"]), run, now=now)


@run_kind(TAKE_BACK, is_long=True)
def take_back(run: Run, now: datetime) -> None:
    """Remove what the import wrote."""
    take_back_rows(Import.objects.select_related("source").get(pk=run.params["import"]), run, now=now)


@run_kind(IMPORT_AGAIN, is_long=True)
def import_again(run: Run, now: datetime) -> None:
    """Take in again the later files that lost rows as the import that `run.params` name was taken back."""
    imports = Import.objects.select_related("source", "user")
    later = imports.filter(pk__in=run.params["later"]).order_by("started_at", "pk")
    with language_of(run):
        take_again(imports.get(pk=run.params["import"]), list(later), run, now=now)
