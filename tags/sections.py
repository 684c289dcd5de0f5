"""What we say of a person: tags and scores."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from profiles.sections import Section, register_section
from tags.models import Score, TagAssignment


def load_tags(profile_ids: Sequence[int]) -> dict[int, list[dict[str, str | None]]]:
    """`[{"key", "value"}]` of the assignments in force, by key; None where the tag has no values. One query."""
    rows = (
        TagAssignment.objects.live(timezone.now())
        .filter(profile_id__in=profile_ids)
        .order_by("tag__key")
        .values_list("profile_id", "tag__key", "value__key")
    )
    found: defaultdict[int, list[dict[str, str | None]]] = defaultdict(list)
    for profile_id, key, value in rows:
        found[profile_id].append({"key": key, "value": value})
    return found


def load_scores(profile_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """`{model: {field: value}}`, by model; one query."""
    rows = (
        Score.objects.filter(profile_id__in=profile_ids).order_by("model").values_list("profile_id", "model", "values")
    )
    found: defaultdict[int, dict[str, Any]] = defaultdict(dict)
    for profile_id, model, values in rows:
        found[profile_id][model] = values
    return found


register_section(Section(key="tags", order=20, load=load_tags, empty=list, title=_("Tags")))
register_section(Section(key="scores", order=50, load=load_scores, empty=dict, title=_("Scores")))
