"""What we say of a person: tags and scores."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from profiles.models import Profile
from profiles.sections import Section, register_section
from tags.history import history_of
from tags.models import Score, Tag, TagAssignment
from tags.score_models import ScoreField, score_models

MAX_HISTORY = 30


def load_tags(profile_ids: Sequence[int]) -> dict[int, list[dict[str, str | None]]]:
    """`[{"key", "value"}]` of the assignments in force, by key; None where the tag has no values. One query."""
    rows = (
        TagAssignment.objects.live(timezone.now())
        .filter(profile_id__in=profile_ids, tag__in=Tag.objects.active())
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


def tag_names(profile_ids: Sequence[int]) -> dict[int, list[str]]:
    """Names of the tags in force, each with its value; one query."""
    found: defaultdict[int, list[str]] = defaultdict(list)
    for assignment in _live(profile_ids):
        value = f" · {assignment.value.name}" if assignment.value else ""
        found[assignment.profile_id].append(f"{assignment.tag.name}{value}")
    return found


def tags_on_page(request: HttpRequest, profile: Profile) -> dict[str, Any]:
    """The tags in force, whether there is one that this user may assign by hand, and what was before."""
    assignments = list(_live([profile.pk]))
    may_assign = request.user.has_perm("tags.add_tagassignment")
    return {
        "assignments": assignments,
        "may_choose": may_assign and Tag.objects.active().filter(kind=Tag.Kind.MANUAL).exists(),
        "may_assign": may_assign,
        "may_remove": request.user.has_perm("tags.delete_tagassignment"),
        "history": history_of(profile, limit=MAX_HISTORY) if request.user.has_perm("tags.view_tagchange") else [],
    }


def scores_on_page(request: HttpRequest, profile: Profile) -> dict[str, Any]:
    """Each score with its model's words; a model that is gone is named by its key."""
    models = score_models()
    shown = []
    for score in Score.objects.filter(profile=profile).order_by("model"):
        model = models.get(score.model)
        fields = model.fields if model else {}
        known = [(field.label, named(field, score.values[key])) for key, field in fields.items() if key in score.values]
        others = [(key, value) for key, value in score.values.items() if key not in fields]
        shown.append((model.label if model else score.model, score.scored_at, [*known, *others]))
    return {"scores": shown}


def named(field: ScoreField, value: Any) -> Any:
    """A value of a score in the words of its model, where it has words for it."""
    return field.choices.get(value, value) if isinstance(value, str) else value


def _live(profile_ids: Sequence[int]) -> QuerySet[TagAssignment]:
    live = TagAssignment.objects.live(timezone.now()).filter(profile_id__in=profile_ids, tag__in=Tag.objects.active())
    return live.select_related("tag", "value").order_by("tag__name")


register_section(
    Section(
        key="tags",
        order=20,
        load=load_tags,
        empty=list,
        title=_("Tags"),
        template="tags/tags_section.html",
        page=tags_on_page,
        names=tag_names,
    )
)
register_section(
    Section(
        key="scores",
        order=50,
        load=load_scores,
        empty=dict,
        title=_("Scores"),
        template="tags/scores_section.html",
        page=scores_on_page,
    )
)
