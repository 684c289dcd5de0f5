"""A word: one thing that `is` may say of a value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from cdp.rules.operands import Operand
from cdp.rules.shapes import Shape
from cdp.rules.slab import Slab
from cdp.rules.sql import Sql

GAP = "…"


@dataclass(frozen=True)
class Word:
    """How a word reads its value, tests it, and says it.

    `test(operand, value, now)` is asked only where a value of the type is present. A word that `denies` another is the
    exact complement of that one, so that it matches the missing, and has no test of its own. `says` is a sentence with
    %(subject)s and %(value)s, or %(low)s and %(high)s. `clock(value, after, until)` are the values of which it says
    something else at `until` than at `after`; None where time changes nothing. `short` is what to choose the word by,
    where the sentence will not do.
    """

    shape: Shape | None
    says: Promise | str
    test: Callable[[Operand, Any, datetime], Sql] | None = None
    denies: str = ""
    clock: Callable[[Any, datetime, datetime], Slab] | None = None
    short: Promise | str = ""

    @property
    def label(self) -> str:
        """What to choose it by: the sentence without its subject, with "…" where the value stands inside."""
        if self.short:
            return str(self.short)
        said = str(self.says) % {"subject": "", "value": GAP, "low": GAP, "high": GAP}
        return said.strip().removesuffix(GAP).strip()


PRESENCE = {
    "set": Word(None, _("%(subject)s is known")),
    "unset": Word(None, _("%(subject)s is not known"), denies="set"),
}
ANY_VALUE = PRESENCE
