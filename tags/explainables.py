"""Why somebody carries a tag."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext_lazy as _

from cdp.rules.causes import Cause
from profiles.explainables import Explainable, Filled, Outcome, Settled, Standing, Turn, register_explainable
from tags.models import Tag, TagAssignment, TagChange, TagValue

BY_HAND = Settled("by_hand", _("It is put on by hand and by imports: no rule decides who carries it."))
SETTLED = {
    Tag.Lifecycle.DRAFT: Settled("draft", _("It is a draft: nobody carries it until it is active.")),
    Tag.Lifecycle.ARCHIVED: Settled("archived", _("It is archived: who carries it stays as it is.")),
}


@register_explainable
class ExplainedTag(Explainable):
    """The values of a tag in their order, or the tag itself where it has none."""

    prefix = parameter = "tag"
    parts = "values"
    label = _("Tags")
    permissions = ("tags.view_tag", "tags.view_tagassignment", "tags.view_tagchange")
    page = "admin:tags_tag_change"

    def find(self, key: str) -> Filled | None:
        tag = Tag.objects.filter(key=key).first()
        if tag is None:
            return None
        is_by_rule = tag.is_by_rule
        values = TagValue.objects.filter(tag=tag).order_by("position", "pk") if is_by_rule else ()
        outcomes = [Outcome(value.key, value.name, value.rule) for value in values]
        if is_by_rule and not outcomes:
            outcomes = [Outcome("", tag.name, tag.rule)]
        return Filled(
            pk=tag.pk,
            key=tag.key,
            name=tag.name,
            outcomes=outcomes,
            settled=SETTLED.get(Tag.Lifecycle(tag.lifecycle), None if is_by_rule else BY_HAND),
            refreshed_at=tag.refreshed_at,
            refresh_error=tag.refresh_error,
        )

    def standing(self, filled: Filled, profile_id: int, now: datetime) -> Standing | None:
        live = TagAssignment.objects.live(now).filter(tag=filled.pk, profile=profile_id)
        found = live.select_related("value").first()
        if found is None:
            return None
        by_hand = "hand" if found.origin_id else "rule"
        value = found.value.key if found.value else ""
        return Standing(value, found.assigned_at, found.expires_at, "import" if found.import_id else by_hand)

    def turns(self, filled: Filled, profile_id: int, limit: int) -> list[Turn]:
        changes = TagChange.objects.filter(tag=filled.pk, profile=profile_id).order_by("-id")[:limit]
        return [Turn(each.before, each.after, Cause(each.cause), each.at) for each in changes]
