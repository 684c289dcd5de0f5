"""Sources that are no longer needed, and write keys that too many know."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from cdp.locks import advisory_lock
from profiles.ingest.refold import DEFINITIONS
from profiles.models import (
    Consent,
    Contribution,
    Event,
    IdentityLink,
    Import,
    ImportMapping,
    InboxMessage,
    ProfileMerge,
    RejectedMessage,
    Source,
)
from profiles.models.source import STRATA, new_write_key

SAID = (InboxMessage, RejectedMessage, Contribution, IdentityLink, Consent, ProfileMerge, Event, Import, ImportMapping)

N_NEWEST = 1_000


class SourceKeptError(ValueError):
    """The source has said something, which stays on record with it."""


class LastMessage(NamedTuple):
    """When the last message came; one that is waiting was not processed yet."""

    at: datetime
    is_waiting: bool


def last_message(source: Source) -> LastMessage | None:
    """The last one of the source, None where none ever came. Of a deep inbox only the newest rows are looked at."""
    newest = InboxMessage.objects.order_by("-pk").values("pk")[:N_NEWEST]
    waiting = InboxMessage.objects.filter(pk__in=newest, source=source).aggregate(at=Max("received_at"))["at"]
    if waiting:
        return LastMessage(waiting, is_waiting=True)
    done = source.days.aggregate(at=Max("last_message_at"))["at"]
    return LastMessage(done, is_waiting=False) if done else None


def replace_write_key(source: Source, *, grace: timedelta, now: datetime) -> Source:
    """Give the source a new write key; the one it has is good for `grace` longer, one replaced before is not.

    Raises:
        SourceKeptError: the built-in source collects nothing.
    """
    with transaction.atomic():
        source = Source.objects.select_for_update(no_key=True).get(pk=source.pk)
        if source.kind == Source.Kind.BUILT_IN:
            raise SourceKeptError(_("The built-in source is Strata's own."))
        source.previous_write_key = source.write_key if grace else ""
        source.previous_write_key_until = now + grace if grace else None
        source.write_key = new_write_key()
        source.save(update_fields=["write_key", "previous_write_key", "previous_write_key_until"])
    return source


def delete_source(source: Source) -> None:
    """Delete a source that never sent anything. Raises SourceKeptError for any other, and for the built-in one."""
    if source.key == STRATA:
        raise SourceKeptError(_("The built-in source is Strata's own."))
    with transaction.atomic():
        advisory_lock(DEFINITIONS)  # batches under way have written what they bring of it, and later ones find it gone
        Source.objects.select_for_update().get(pk=source.pk)
        for model in SAID:
            if model._default_manager.filter(source=source).exists():
                message = _("%(source)s has sent data, which stays on record (%(kind)s); switch it off instead.")
                raise SourceKeptError(message % {"source": source.key, "kind": model._meta.verbose_name_plural})
        source.delete()
