"""Connecting a program to a source: its write key, what to write in each SDK, and whether messages come."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from profiles.models import Source
from profiles.sdks import snippets_for
from profiles.services.sources import last_message


class GraceForm(forms.Form):
    """For how long the old key stays good."""

    HOURS = ((24, _("for another day")), (168, _("for another week")), (0, _("no longer")))
    hours = forms.TypedChoiceField(choices=HOURS, coerce=int)

    @property
    def grace(self) -> timedelta:
        return timedelta(hours=self.cleaned_data["hours"])


def connection_context(source: Source) -> dict[str, Any]:
    """Whether messages come. `refused` counts those of today."""
    today = source.days.filter(day=timezone.localdate()).first()
    return {"source": source, "last": last_message(source), "refused": today.n_rejected if today else 0}


def connect_context(source: Source, *, shows_key: bool) -> dict[str, Any]:
    """The same, and for those who may see the key, how to send with it."""
    context = connection_context(source)
    if shows_key:
        until = source.previous_write_key_until
        newest = list(source.oauth_keys)[-1:]
        snippets = snippets_for(
            source.write_key, address=settings.PUBLIC_URL, client_id=source.key, key_id="".join(newest)
        )
        context |= {
            "snippets": snippets,
            "graces": GraceForm.HOURS,
            "previous_until": until if until and until > timezone.now() else None,
        }
    return context
