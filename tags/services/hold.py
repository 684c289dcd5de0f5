"""Keeping tags as they are while they are put on people, who were locked before."""

from __future__ import annotations

from collections.abc import Collection

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from tags.models import Tag


def hold_tags(tag_ids: Collection[int]) -> dict[int, Tag]:
    """Those that there are, by id: until the transaction ends they neither go nor change, nor do their values.

    As the foreign key would keep them row by row; whoever edits a tag locks it first, and waits.
    """
    held = Tag.objects.raw("SELECT * FROM tags_tag WHERE id = ANY(%s) ORDER BY id FOR KEY SHARE", [list(tag_ids)])
    return {tag.pk: tag for tag in held}


def hold_tag(tag_id: int) -> Tag:
    """Raises ValidationError where it is gone."""
    tag = hold_tags([tag_id]).get(tag_id)
    if tag is None:
        raise ValidationError(_("The tag was deleted meanwhile."))
    return tag
