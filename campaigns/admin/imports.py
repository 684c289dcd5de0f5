"""How the page of an import asks for the addresses that are not to be written to."""

from __future__ import annotations

from django.conf import settings
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from profiles.admin.imports.target_forms import Field, TargetForm, register_target_form
from profiles.models import IdentifierKind


def kinds() -> list[tuple[str, str]]:
    found = IdentifierKind.objects.order_by("priority").values_list("key", "label")
    return [(key, gettext(label)) for key, label in found]


def channels() -> list[tuple[str, str]]:
    return [(channel, gettext(channel)) for channel in settings.CONSENT_CHANNELS]


register_target_form(
    TargetForm(
        key="suppressions",
        label=_("Addresses not to be written to"),
        fields=(
            Field("kind", _("Kind of address; without one, all of the row"), choices=kinds, is_required=False),
            Field("channel", _("Channel; without one, all"), choices=channels, from_column=True, is_required=False),
            Field("reason", _("Reason"), from_column=True, is_required=False),
            Field("when", _("only where this column says yes"), from_column=True, is_required=False),
        ),
    )
)
