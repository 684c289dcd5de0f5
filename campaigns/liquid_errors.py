"""What Liquid's parser says of a mistake, in our words and the active language."""

from __future__ import annotations

import re

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

NEVER_CLOSED = gettext_lazy("“%(open)s” is never closed with “%(close)s”")
VALUE_MISSING = gettext_lazy("a variable or a value is missing here")
NAME_MISSING = gettext_lazy("a name is missing here")
PAIR = {"}}": "{{", "%}": "{%"}

# The first that fits; its groups are the sentence's values, `open` and `close` also by PAIR.
SAYINGS: tuple[tuple[re.Pattern[str], Promise], ...] = (
    (re.compile(r"expected '(?P<close>}}|%})', found"), NEVER_CLOSED),
    (re.compile(r"missing tag name or closing delimiter(?P<close>)"), NEVER_CLOSED),
    (re.compile(r"expected tag (?P<tag>\w+), found"), gettext_lazy("the tag “%(tag)s” is missing")),
    (re.compile(r"(?P<tag>\w+) tag was never closed"), gettext_lazy("the tag “end%(tag)s” is missing")),
    (re.compile(r"unexpected tag '(?P<tag>\w+)'"), gettext_lazy("the tag “%(tag)s” is unknown or has no place here")),
    (re.compile(r"missing expression|expected a primitive expression"), VALUE_MISSING),
    (re.compile(r"expected (an identifier|word), found"), NAME_MISSING),
    (re.compile(r"expected end of expression, found"), gettext_lazy("what follows here does not belong there")),
    (re.compile(r"""unexpected (?P<sign>"'"|'"')"""), gettext_lazy("a quotation mark is never closed")),
    (re.compile(r"unexpected '(?P<sign>[^']+)'"), gettext_lazy("“%(sign)s” cannot stand here")),
    (re.compile(r"expected '?(?P<sign>[^\s,']+)'?, found"), gettext_lazy("“%(sign)s” is missing")),
)


def explain(message: str) -> str:
    """A message of the parser as people read it; one that we do not know stands behind a general sentence."""
    for pattern, saying in SAYINGS:
        if found := pattern.match(message):
            values = found.groupdict()
            if "close" in values:
                close = values["close"] or "%}"
                values = {"open": PAIR[close], "close": close}
            return str(saying) % values
    return _("this is no Liquid that can be read (%(message)s)") % {"message": message}
