"""Words for yes and no."""

from django.utils.translation import gettext_lazy as _

from cdp.rules.shapes import TrueOrFalse
from cdp.rules.sql import Infix, json_value
from cdp.rules.words.base import PRESENCE, Word

BOOLEAN = {
    "eq": Word(
        TrueOrFalse(),
        _("%(subject)s: %(value)s"),
        lambda operand, value, now: Infix("=", operand.expression, json_value(value)),
        short=_("is"),
    ),
    **PRESENCE,
}
