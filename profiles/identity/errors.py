"""Why two profiles cannot become one, or one two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from cdp.disclosure import Viewer
from profiles.masking import MASK, mask_identifier
from profiles.models import DuplicateSuggestion, Identifier, IdentifierKind, Separation

MAX_NAMED = 10  # identifiers in one sentence
MAX_PAIRS = 3  # of separated ones in one sentence
MAX_COUNTED = 1_000  # of those: a split writes up to a million, and they are counted under the identity lock


class IdentityError(ValueError):
    """It cannot be done, and nothing was; the message says why and what would help."""


class LimitBroken(NamedTuple):
    """More identifiers of one kind than one person may have. `identifiers` have their kinds loaded."""

    kind: IdentifierKind
    identifiers: Sequence[Identifier]

    def sentence(self, viewer: Viewer | None) -> str:
        limit = self.kind.limit_per_profile or 0
        text = ngettext(
            "One person may have %(limit)d %(kind)s, and these would have %(n)d: %(identifiers)s.",
            "One person may have %(limit)d of %(kind)s, and these would have %(n)d: %(identifiers)s.",
            limit,
        )
        return text % {
            "limit": limit,
            "kind": _(self.kind.label),
            "n": len(self.identifiers),
            "identifiers": listed(self.identifiers, viewer),
        }


class Separated(NamedTuple):
    """Pairs of identifiers that were separated: the first of them, loaded with their kinds, and how many there are, but
    no more than MAX_COUNTED and one.
    """

    first: Sequence[Separation]
    n: int

    def sentence(self, viewer: Viewer | None) -> str:
        named = [(shown(pair.left, viewer), shown(pair.right, viewer)) for pair in self.first]
        if self.n == 1:
            text = _("%(left)s and %(right)s were separated on %(date)s; lift the separation first.")
            on = date_format(localtime(self.first[0].separated_at), "DATE_FORMAT")
            return text % {"left": named[0][0], "right": named[0][1], "date": on}
        pairs = ", ".join(f"{left} ≠ {right}" for left, right in named)
        text = _("%(n)d pairs of their identifiers were separated: %(pairs)s; lift the separations first.")
        if self.n > MAX_COUNTED:
            text = _(
                "More than %(n)d pairs of their identifiers were separated: %(pairs)s; lift the separations first."
            )
        return text % {"n": min(self.n, MAX_COUNTED), "pairs": f"{pairs} …" if self.n > len(named) else pairs}


class Rejected(NamedTuple):
    """Two people of whom somebody said that they are not one."""

    suggestion: DuplicateSuggestion

    def sentence(self, viewer: Viewer | None) -> str:
        text = _("Possible duplicate %(name)s of these people was rejected; if they are one after all, open it again.")
        return text % {"name": self.suggestion}


class KeptApartError(IdentityError):
    """Limits, separations or rejections forbid it. As text it hides personal values; see `message_for`."""

    def __init__(self, reasons: Sequence[LimitBroken | Separated | Rejected]) -> None:
        self.reasons = reasons
        super().__init__(self.message_for(None))

    def message_for(self, viewer: Viewer | None) -> str:
        """One sentence a reason, with the identifiers as this user may see them; None may see nothing personal."""
        return " ".join(reason.sentence(viewer) for reason in self.reasons)


def listed(identifiers: Sequence[Identifier], viewer: Viewer | None) -> str:
    named = ", ".join(shown_value(identifier, viewer) for identifier in identifiers[:MAX_NAMED])
    return f"{named} …" if len(identifiers) > MAX_NAMED else named


def shown(identifier: Identifier, viewer: Viewer | None) -> str:
    return f"{_(identifier.kind.label)} {shown_value(identifier, viewer)}"


def shown_value(identifier: Identifier, viewer: Viewer | None) -> str:
    if viewer is None:
        return MASK if identifier.kind.is_personal else identifier.value
    return mask_identifier(identifier.kind.key, identifier.value, viewer)
