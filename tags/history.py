"""The history of tags as pages show it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Q

from profiles.models import Profile
from tags.models import Tag, TagChange


@dataclass(frozen=True)
class Entry:
    """One change in words: the names of the values, or their keys where they are gone; None is not carried."""

    change: TagChange
    tag: Tag
    before: str | None
    after: str | None


def history_entries(changes: Iterable[TagChange], tags: Iterable[Tag]) -> list[Entry]:
    """`tags` are all that the changes are of, with their values."""
    known = {tag.pk: tag for tag in tags}
    names = {(tag.pk, value.key): value.name for tag in known.values() for value in tag.values.all()}
    return [
        Entry(
            change,
            known[change.tag_id],
            *(None if key is None else names.get((change.tag_id, key), key) for key in (change.before, change.after)),
        )
        for change in changes
    ]


def history_of(profile: Profile, *, limit: int) -> Sequence[Entry]:
    """The latest changes of a person, also of those who were merged into it. Three queries."""
    is_theirs = Q(profile=profile) | Q(profile__in=Profile.objects.filter(merged_into=profile).values("pk"))
    changes = list(TagChange.objects.filter(is_theirs).select_related("by").order_by("-pk")[:limit])
    tags = Tag.objects.filter(pk__in={change.tag_id for change in changes}).prefetch_related("values")
    return history_entries(changes, tags)
