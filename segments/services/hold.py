"""Keeping segments as they are while people, who were locked before, are put in."""

from __future__ import annotations

from collections.abc import Collection

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from segments.models import Segment


def hold_segments(segment_ids: Collection[int]) -> dict[int, Segment]:
    """Those that there are, by id: none is deleted until the transaction ends, as the foreign key would row by row."""
    held = Segment.objects.raw(
        "SELECT * FROM segments_segment WHERE id = ANY(%s) ORDER BY id FOR KEY SHARE", [list(segment_ids)]
    )
    return {segment.pk: segment for segment in held}


def hold_segment(segment_id: int) -> Segment:
    """Raises ValidationError where it is gone."""
    segment = hold_segments([segment_id]).get(segment_id)
    if segment is None:
        raise ValidationError(_("The segment was deleted meanwhile."))
    return segment
