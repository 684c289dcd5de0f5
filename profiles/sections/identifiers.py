"""The keys of a person, unmasked: whoever shows them passes profiles/masking.py."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from django.utils.translation import gettext_lazy as _

from profiles.models import Identifier
from profiles.sections import Section, register_section


def load(profile_ids: Sequence[int]) -> dict[int, list[dict[str, str]]]:
    """`[{"kind", "value"}]` by the kinds' priority, then value; one query."""
    rows = (
        Identifier.objects.filter(profile_id__in=profile_ids)
        .order_by("kind__priority", "value")
        .values_list("profile_id", "kind__key", "value")
    )
    found: defaultdict[int, list[dict[str, str]]] = defaultdict(list)
    for profile_id, kind, value in rows:
        found[profile_id].append({"kind": kind, "value": value})
    return found


register_section(Section(key="identifiers", order=10, load=load, empty=list, title=_("Identifiers")))
