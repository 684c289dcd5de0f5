"""Bands of a score: what a tag by score is made of. Each value is a band, kept as the rule that says the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from tags.models import TagValue


@dataclass(frozen=True)
class Band:
    """A field of a score from `start` to before `end` (None: without end), or that is one of `among`; neither: any."""

    model: str
    field: str
    start: float | None = None
    end: float | None = None
    among: tuple[str, ...] = ()

    @property
    def rule(self) -> dict[str, Any]:
        if self.among:
            return self._is("in", list(self.among))
        bounds = [("gte", self.start), ("lt", self.end)]
        told = [self._is(word, bound) for word, bound in bounds if bound is not None]
        if not told:
            return self._is("set")
        return told[0] if len(told) == 1 else {"all": told}

    def _is(self, word: str, *value: Any) -> dict[str, Any]:
        condition: dict[str, Any] = {"op": "score", "model": self.model, "field": self.field, "is": word}
        return condition | ({"value": value[0]} if value else {})

    @property
    def of(self) -> tuple[str, str]:
        return self.model, self.field

    def meets(self, other: Band) -> bool:
        """Whether somebody could be in both."""
        if self.among or other.among:
            return bool(set(self.among) & set(other.among)) or not (self.among and other.among)
        starts_before_end = self.start is None or other.end is None or self.start < other.end
        return starts_before_end and (other.start is None or self.end is None or other.start < self.end)


def band_of(rule: Any) -> Band | None:
    """The band that a rule says; None where it says something else."""
    match rule:
        case {"all": [{"op": "score", "is": "gte"} as low, {"op": "score", "is": "lt"} as high]}:
            band = Band(low.get("model"), low.get("field"), start=low.get("value"), end=high.get("value"))
        case {"op": "score", "is": "gte"}:
            band = Band(rule.get("model"), rule.get("field"), start=rule.get("value"))
        case {"op": "score", "is": "lt"}:
            band = Band(rule.get("model"), rule.get("field"), end=rule.get("value"))
        case {"op": "score", "is": "in", "value": list(values)}:
            band = Band(rule.get("model"), rule.get("field"), among=tuple(values))
        case {"op": "score", "is": "set"}:
            band = Band(rule.get("model"), rule.get("field"))
        case _:
            return None
    return band if band.rule == rule else None


def check_bands(values: Sequence[TagValue]) -> None:
    """Whether values are bands of one field that nobody can be in two of. Raises ValidationError."""
    bands = [band_of(value.rule) for value in values]
    for place, (value, band) in enumerate(zip(values, bands, strict=True)):
        if band is None:
            raise wrong_band(place, _("“%(value)s” is no band of a score.") % {"value": value.name})
        if band.start is not None and band.end is not None and band.start >= band.end:
            raise wrong_band(place, _("The band of “%(value)s” ends before it begins.") % {"value": value.name})
    known = [(value, band) for value, band in zip(values, bands, strict=True) if band is not None]
    if len({band.of for _value, band in known}) > 1:
        raise ValidationError(_("All values of a tag by score are bands of one score."))
    for place, (value, band) in enumerate(known):
        for other_place, (other_value, other) in enumerate(known[place + 1 :], start=place + 1):
            if band.meets(other):
                names = {"one": value.name, "other": other_value.name}
                raise wrong_band(other_place, _("The bands of “%(one)s” and “%(other)s” overlap.") % names)


def wrong_band(place: int, problem: str) -> ValidationError:
    return ValidationError({f"values[{place}].band": problem})
