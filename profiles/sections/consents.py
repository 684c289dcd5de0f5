"""Whether a person may be written to, by channel."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from cdp.disclosure import may_see_pii
from profiles.masking import MASK
from profiles.models import Consent, Profile
from profiles.models.consent import MAX_NOTE
from profiles.sections import Section, register_section

MAX_HISTORY = 100  # words on the page; the API has them all


def load(profile_ids: Sequence[int]) -> dict[int, dict[str, str]]:
    """`{channel: "granted" | "denied"}` as now in force; a channel without a word is left out. One query."""
    in_force = Consent.objects.filter(profile_id__in=profile_ids).in_force()
    found: defaultdict[int, dict[str, str]] = defaultdict(dict)
    for profile_id, channel, state in in_force.values_list("profile_id", "channel", "state"):
        found[profile_id][channel] = state
    return found


def consents_on_page(request: HttpRequest, profile: Profile) -> dict[str, Any]:
    """The words in force, the history with what each one changed, and what the form that adds one needs."""
    words = Consent.objects.filter(profile=profile).select_related("source", "user")
    in_force = list(words.in_force())
    # As they count: of two at the same time the denial comes first.
    history = list(words.order_by("-occurred_at", "state", "-id")[:MAX_HISTORY])
    before: dict[int, str] = {}
    for channel in {word.channel for word in history}:
        before |= {
            later.pk: earlier.get_state_display()
            for later, earlier in pairwise(word for word in history if word.channel == channel)
        }
    sees_notes = may_see_pii(request.user)
    for word in history:
        word.before = before.get(word.pk, "")  # type: ignore[attr-defined]
        word.shown_note = word.note if sees_notes or not word.note else MASK  # type: ignore[attr-defined]
    return {
        "consents": in_force,
        "history": history,
        "may_tell": request.user.has_perm("profiles.add_consent"),
        "channels": settings.CONSENT_CHANNELS,
        "states": Consent.State.choices,
        "max_note": MAX_NOTE,
    }


register_section(
    Section(
        key="consents",
        order=60,
        load=load,
        empty=dict,
        title=_("Consents"),
        template="profiles/sections/consents.html",
        page=consents_on_page,
    )
)
