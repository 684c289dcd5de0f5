"""Whether a person may be written to, by channel."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db.models import F, Q, QuerySet, Window
from django.db.models.functions import Lead
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from cdp.disclosure import may_see_pii
from cdp.ids import is_id
from profiles.masking import MASK
from profiles.models import Consent, Profile
from profiles.models.consent import MAX_NOTE
from profiles.sections import Section, register_section

N_WORDS = 100  # of the history on one page
# As they count: of two at the same time the denial comes first.
LATEST_FIRST = (F("occurred_at").desc(), F("state").asc(), F("id").desc())


def load(profile_ids: Sequence[int]) -> dict[int, dict[str, str]]:
    """`{channel: "granted" | "denied"}` as now in force; a channel without a word is left out. One query."""
    in_force = Consent.objects.filter(profile_id__in=profile_ids).in_force()
    found: defaultdict[int, dict[str, str]] = defaultdict(dict)
    for profile_id, channel, state in in_force.values_list("profile_id", "channel", "state"):
        found[profile_id][channel] = state
    return found


def consents_on_page(request: HttpRequest, profile: Profile) -> dict[str, Any]:
    """The words in force, a page of the history with what each one changed, and the form that adds one.

    `refused_consent` of the request is the form as somebody sent it, where it was refused.
    """
    words = Consent.objects.filter(profile=profile).select_related("source", "user")
    in_force = list(words.in_force())
    first = request.GET.get("words_before", "")
    page = list(words_before(words, first)[: N_WORDS + 1])
    history = page[:N_WORDS]
    sees_notes = may_see_pii(request.user)
    for word in history:
        word.before = Consent.State(word.state_before).label if word.state_before else ""
        word.shown_note = word.note if sees_notes or not word.note else MASK
    return {
        "consents": in_force,
        "history": history,
        "n_words": words.count(),
        "is_older": bool(first),
        "older": history[-1].pk if len(page) > N_WORDS else None,
        "may_tell": request.user.has_perm("profiles.add_consent"),
        "refused": getattr(request, "refused_consent", None),
        "channels": settings.CONSENT_CHANNELS,
        "states": Consent.State.choices,
        "max_note": MAX_NOTE,
    }


def words_before(words: QuerySet[Consent], pk: str) -> QuerySet[Any]:
    """The words that count less than that one, or all; each with `state_before`, what its channel said before."""
    earlier = Window(Lead("state"), partition_by=[F("channel")], order_by=LATEST_FIRST)
    found = words.annotate(state_before=earlier).order_by(*LATEST_FIRST)
    last = words.filter(pk=int(pk)).first() if is_id(pk) else None
    if last is None:
        return found
    same_time = Q(occurred_at=last.occurred_at)
    same_word = same_time & Q(state=last.state)
    return found.filter(
        Q(occurred_at__lt=last.occurred_at) | (same_time & Q(state__gt=last.state)) | (same_word & Q(pk__lt=last.pk))
    )


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
