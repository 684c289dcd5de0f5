"""Keeping a tag as it is while it is put on people, who were locked before."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from cdp.locks import hold_rows
from tags.models import Tag


def hold_tag(tag_id: int) -> Tag:
    """Nor do its values change: whoever edits a tag locks it first, exclusively, and waits.

    Raises ValidationError where it is gone.
    """
    tag = hold_rows(Tag, [tag_id]).get(tag_id)
    if tag is None:
        raise ValidationError(_("The tag was deleted meanwhile."))
    return tag
