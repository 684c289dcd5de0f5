"""One value of a tag at a time, for tags with more than a form can show."""

from __future__ import annotations

from django.db import transaction

from cdp.keys import free_key
from cdp.models import Run, User
from profiles.refresh.saving import lock_rules
from tags.models import Tag, TagValue
from tags.services.tag import save_tag


@transaction.atomic
def save_value(value: TagValue, *, user: User | None) -> Run | None:
    """Save a new or edited value at its `position` among the others of its tag, which stay as they are; a key that is
    empty is made of the name. Returns the full refresh that it needs, else None. Raises as `save_tag` does.
    """
    lock_rules()
    tag, others = with_others(value)
    value.key = value.key or free_key(value.name, {each.key for each in others}, otherwise="value")
    others.insert(value.position, value)
    return save_tag(tag, values=others, user=user)


@transaction.atomic
def delete_value(value: TagValue, *, user: User | None) -> Run | None:
    """Delete a value of a tag. Returns and raises as `save_value` does, StillUsed where people carry it too."""
    lock_rules()
    tag, others = with_others(value)
    return save_tag(tag, values=others, user=user)


def with_others(value: TagValue) -> tuple[Tag, list[TagValue]]:
    """Its tag, and the other values of that in their order."""
    tag = Tag.objects.get(pk=value.tag_id)
    return tag, [each for each in tag.values.order_by("position", "pk") if each.pk != value.pk]
