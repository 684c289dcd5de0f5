"""Sources that are no longer needed."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from profiles.models import (
    Consent,
    Contribution,
    Event,
    IdentityLink,
    InboxMessage,
    ProfileMerge,
    RejectedMessage,
    Source,
)
from profiles.models.source import STRATA

SAID = (InboxMessage, RejectedMessage, Contribution, IdentityLink, Consent, ProfileMerge, Event)


class SourceKeptError(ValueError):
    """The source has said something, which stays on record with it."""


def delete_source(source: Source) -> None:
    """Delete a source that never sent anything. Raises SourceKeptError for any other, and for the built-in one."""
    if source.key == STRATA:
        raise SourceKeptError(_("The built-in source is Strata's own."))
    with transaction.atomic():
        Source.objects.select_for_update().get(pk=source.pk)
        for model in SAID:
            if model._default_manager.filter(source=source).exists():
                message = _("%(source)s has sent data, which stays on record (%(kind)s); switch it off instead.")
                raise SourceKeptError(message % {"source": source.key, "kind": model._meta.verbose_name_plural})
        source.delete()
