"""The rule language as its builder needs it: JSON, in the active language, from the operators' own declarations."""

from __future__ import annotations

from typing import Any

from cdp.rules.base import Operator, operators
from cdp.rules.catalogue import Wanted, catalogue, catalogue_kinds
from cdp.rules.forms import Form, form_of
from cdp.rules.parse import MAX_CONDITIONS, MAX_LEVELS
from cdp.rules.words import WORDS

N_OFFERED = 300  # names of a kind that come along; others are found by what is typed


def language() -> dict[str, Any]:
    """`operators` in the order in which they are offered, `words` and their inputs by type, `names` to begin with."""
    ordered = sorted(operators.values(), key=lambda operator: operator.face.order)
    return {
        "operators": [operator_form(operator) for operator in ordered],
        "words": {
            type_ or "": [
                {"word": name, "label": word.label, "form": form_of(word.shape) if word.shape else None}
                for name, word in words.items()
            ]
            for type_, words in WORDS.items()
        },
        "names": {kind: names_of(kind, Wanted(limit=N_OFFERED)) for kind in catalogue_kinds()},
        "limits": {"levels": MAX_LEVELS, "conditions": MAX_CONDITIONS, "offered": N_OFFERED},
    }


def operator_form(operator: type[Operator]) -> Form:
    """One operator: its face, and its parameters with their inputs."""
    face = operator.face
    return {
        "op": operator.op,
        "label": str(face.label) or operator.op,
        "icon": face.icon,
        "typed_by": face.typed_by,
        "defaults": dict(face.defaults),
        "starts": dict(face.starts),
        "params": [
            {
                "key": key,
                "label": str(face.labels.get(key, "")),
                "required": param.required,
                "among": face.among.get(key, ""),
                "form": form_of(param.shape),
            }
            for key, param in operator.params.items()
        ],
    }


def names_of(kind: str, wanted: Wanted) -> list[Form]:
    """What a catalogue offers of what is wanted."""
    return [option.as_json() for option in catalogue(kind).offer(wanted)]
