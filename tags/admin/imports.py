"""How the page of an import asks for the tags that rows assign."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from profiles.admin.imports.target_forms import Field, TargetForm, register_target_form
from tags.models import FILLED_BY_FILES, Tag, TagValue


def tags_by_hand() -> list[tuple[str, str]]:
    return list(Tag.objects.active().filter(kind__in=FILLED_BY_FILES).order_by("name").values_list("key", "name"))


def values() -> list[tuple[str, str]]:
    """Values of the tags by hand in use, each beside its tag."""
    found = TagValue.objects.filter(tag__in=Tag.objects.active().filter(kind__in=FILLED_BY_FILES)).order_by(
        "tag__name", "position"
    )
    return [(key, f"{tag} · {name}") for key, tag, name in found.values_list("key", "tag__name", "name")]


register_target_form(
    TargetForm(
        key="tags",
        label=_("Tags"),
        empty=_("Only tags by hand or by import can be assigned: make one under Tags first."),
        fields=(
            Field("tag", _("Tag"), choices=tags_by_hand, from_column=True),
            Field("split", _("several in a cell are parted by"), is_required=False),
            Field("value", _("Value, where the tag has some"), choices=values, from_column=True, is_required=False),
            Field("when", _("only where this column says yes"), from_column=True, is_required=False),
            Field("expires_at", _("until"), from_column=True, is_required=False),
        ),
    )
)
