"""How the page of an import asks for the segments that rows put people into."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from profiles.admin.imports.target_forms import Field, TargetForm, register_target_form
from segments.models import Segment


def segments_by_hand() -> list[tuple[str, str]]:
    return list(Segment.objects.current().filter(kind=Segment.Kind.STATIC).order_by("name").values_list("key", "name"))


register_target_form(
    TargetForm(
        key="segments",
        label=_("Segment members"),
        empty=_("Only segments by hand can be filled: make one under Segments first."),
        fields=(
            Field("segment", _("Segment"), choices=segments_by_hand, from_column=True),
            Field("split", _("several in a cell are parted by"), is_required=False),
            Field("when", _("only where this column says yes"), from_column=True, is_required=False),
        ),
    )
)
