"""What the builder of rules shows of an operator, beside its shapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.functional import Promise


@dataclass(frozen=True)
class Face:
    """`labels` stand before the inputs of parameters, where the input alone does not say what it is for.

    `typed_by` names the parameter whose name has the type that `is` and `value` compare, or is that type itself.
    `among` says of a parameter which other one's name offers its words: the fields of a score, the values of a tag.
    `defaults` are what counts where a parameter is absent. `order` is where operators are offered, the least first.
    """

    label: Promise | str
    icon: str
    order: int
    labels: Mapping[str, Promise | str] = field(default_factory=dict)
    typed_by: str = ""
    among: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    starts: Mapping[str, Any] = field(default_factory=dict)
