"""Keeping a segment from being deleted while people, who were locked before, are put in."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from cdp.locks import hold_rows
from segments.models import Segment


def hold_segment(segment_id: int) -> Segment:
    """Raises ValidationError where it is gone."""
    segment = hold_rows(Segment, [segment_id]).get(segment_id)
    if segment is None:
        raise ValidationError(_("The segment was deleted meanwhile."))
    return segment
