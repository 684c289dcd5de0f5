"""Whether a person may be written to, by channel."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from django.utils.translation import gettext_lazy as _

from profiles.models import Consent
from profiles.sections import Section, register_section


def load(profile_ids: Sequence[int]) -> dict[int, dict[str, str]]:
    """`{channel: "granted" | "denied"}` as now in force; a channel without a word is left out. One query."""
    in_force = Consent.objects.filter(profile_id__in=profile_ids).in_force()
    found: defaultdict[int, dict[str, str]] = defaultdict(dict)
    for profile_id, channel, state in in_force.values_list("profile_id", "channel", "state"):
        found[profile_id][channel] = state
    return found


register_section(Section(key="consents", order=60, load=load, empty=dict, title=_("Consents")))
