"""JSON Schema of a whole rule, from the operators' own declarations.

What it accepts the parser accepts too, but for meaning: names that nobody has defined, values of another type than the
attribute's, a from after its to, days that no calendar has, patterns outside the subset, and too much of it all.
"""

from __future__ import annotations

from typing import Any

from cdp.rules.base import operators
from cdp.rules.parse import MAX_CONDITIONS, MAX_LEVELS
from cdp.rules.shapes import Schema

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def rule_schema() -> Schema:
    """The schema as a document of its own."""
    return {"$schema": DIALECT, "$ref": "#/$defs/Rule", "$defs": rule_schemas("#/$defs/")}


def rule_schemas(prefix: str) -> dict[str, Schema]:
    """The schemas by name: `Rule`, and one for each operator, which refer to each other under `prefix`."""
    conditions = {f"{name_of(op)}Condition": operators[op].schema() for op in sorted(operators)}
    rule = {"$ref": f"{prefix}Rule"}
    many: dict[str, Any] = {"type": "array", "items": rule, "minItems": 1}
    groups = [group("all", many), group("any", many), group("not", rule)]
    return {
        "Rule": {
            "description": (
                "A rule: a group (`all`, `any`, `not`) or a condition (`op`). "
                f"At most {MAX_LEVELS} levels and {MAX_CONDITIONS} conditions. See docs/rule-language.md."
            ),
            "anyOf": [*groups, *({"$ref": f"{prefix}{name}"} for name in conditions)],
        },
        **conditions,
    }


def group(kind: str, inside: Schema) -> Schema:
    return {"type": "object", "properties": {kind: inside}, "required": [kind], "additionalProperties": False}


def name_of(op: str) -> str:
    """`event_recency` as `EventRecency`."""
    return op.title().replace("_", "")
