"""JSON Schemas of the properties of events: checked when they are saved, compiled once, and safe with any message.

jsonschema-rs validates the properties of an order in a microsecond. Patterns run on an engine that cannot be made to go
on for ever, which knows neither lookaround nor back-references; references to other schemas are refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, NamedTuple

import orjson
from django.utils.translation import gettext as _
from jsonschema_rs import Draft202012Validator, RegexOptions, ValidationError

from cdp.json_field import has_nul
from profiles.problems import in_words

MAX_BYTES = 20_000
MAX_DEPTH = 20
MAX_ERRORS = 10  # of one message
MAX_PATTERN_BYTES = 1_000_000  # of a compiled pattern
# Below these stand names that somebody chose, each with a schema, or data: nothing there is a keyword.
NAMES = ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions")
DATA = ("const", "default", "enum", "example", "examples", "dependentRequired", "required")
# Of the same page too: a few that lead to each other twice would take for ever.
REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
MASKED = "this value"  # in place of what was sent, in the text of an error
# Where the library's own text says too little, or quotes more than the schema. `profiles/problems.py` translates all.
PROBLEMS = {
    "additionalItems": "holds items that are not in the schema",
    "anyOf": "fits none of the alternatives, or more than it may",
    "contains": "holds too few or too many items of the kind asked for",
    "falseSchema": "is not in the schema",
    "not": "is what the schema rules out",
    "oneOf": "fits none of the alternatives, or more than it may",
    "unevaluatedItems": "holds items that are not in the schema",
    "uniqueItems": "holds the same item twice",
}
LIMITS = {
    "minLength": "is shorter than {} characters",
    "maxLength": "is longer than {} characters",
    "minItems": "has fewer than {} items",
    "maxItems": "has more than {} items",
    "minProperties": "has fewer than {} properties",
    "maxProperties": "has more than {} properties",
}

ALMOST = 0.8  # how like a known word another must be, of 1
KEYWORDS = (
    "$anchor", "$comment", "$defs", "$dynamicAnchor", "$dynamicRef", "$id", "$recursiveRef", "$ref", "$schema",
    "$vocabulary", "additionalItems", "additionalProperties", "allOf", "anyOf", "const", "contains",
    "contentEncoding", "contentMediaType", "contentSchema", "default", "definitions", "dependencies",
    "dependentRequired", "dependentSchemas", "deprecated", "description", "else", "enum", "example", "examples",
    "exclusiveMaximum", "exclusiveMinimum", "format", "id", "if", "items", "maxContains", "maxItems", "maxLength",
    "maxProperties", "maximum", "minContains", "minItems", "minLength", "minProperties", "minimum", "multipleOf",
    "not", "oneOf", "pattern", "patternProperties", "prefixItems", "properties", "propertyNames", "readOnly",
    "required", "then", "title", "type", "unevaluatedItems", "unevaluatedProperties", "uniqueItems", "writeOnly",
)  # fmt: skip
FORMATS = (
    "date", "date-time", "duration", "email", "hostname", "idn-email", "idn-hostname", "ipv4", "ipv6", "iri",
    "iri-reference", "json-pointer", "regex", "relative-json-pointer", "time", "uri", "uri-reference",
    "uri-template", "uuid",
)  # fmt: skip
TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")

Schema = dict[str, Any]


class SchemaError(ValueError):
    """A schema that cannot be used; the text says where and why."""


class Breach(NamedTuple):
    """Where properties break their schema: a path with indexes, the same without, what is wrong, and the value."""

    path: str
    place: str
    problem: str
    value: Any


def check_schema(schema: Any) -> None:
    """Raises SchemaError for what is no JSON Schema of an object, or not one that is safe to use."""
    if not isinstance(schema, dict):
        raise SchemaError(_("A schema is an object, such as %(example)s.") % {"example": '{"required": ["total"]}'})
    try:
        size = len(orjson.dumps(schema))
    except orjson.JSONEncodeError as error:
        raise SchemaError(_("The schema is nested deeper than %(n)d levels.") % {"n": MAX_DEPTH}) from error
    if size > MAX_BYTES:
        raise SchemaError(_("The schema is larger than %(n)d KB.") % {"n": MAX_BYTES // 1000})
    if has_nul(schema):
        raise SchemaError(_("holds a NUL character, which a database text cannot hold"))
    for path, name, value in keywords(schema):
        if path.count(".") > MAX_DEPTH:
            raise SchemaError(_("The schema is nested deeper than %(n)d levels.") % {"n": MAX_DEPTH})
        if name in REFERENCES and isinstance(value, str):
            raise SchemaError(
                _("%(path)s: references are not followed; write the part where it is used.") % {"path": path}
            )
        if name in ("$id", "$schema", "$vocabulary") and (name != "$schema" or "2020-12" not in str(value)):
            raise SchemaError(_("%(path)s: cannot be used here; schemas are of draft 2020-12.") % {"path": path})
        check_spelling(path, name, value)
    type_ = schema.get("type", "object")
    if type_ != "object":
        raise SchemaError(_("type: properties are an object, so that nothing would ever fit."))
    try:
        compiled(orjson.dumps(schema, option=orjson.OPT_SORT_KEYS))
    except ValidationError as error:
        place, problem = join("", error.instance_path), in_words(problem_of_schema(error))
        raise SchemaError(f"{place}: {problem}" if place else problem) from error


def problem_of_schema(error: ValidationError) -> str:
    """What is wrong with a schema, in words of JSON Schema itself."""
    kind: Any = error.kind
    if kind.name == "anyOf" and error.instance_path[-1:] == ["type"]:
        return f"is none of the types that there are: {', '.join(map(as_text, TYPES))}"
    if kind.name == "format":
        return "is no pattern that can be used: one of the RE2 kind, without lookaround, and not too large"
    return problem_of(error)


def check_spelling(path: str, name: str, value: Any) -> None:
    """Raises SchemaError for what is almost a keyword, or almost a format: JSON Schema passes over what it does not
    know, such as those of other tools, and a slip would let everything through.
    """
    if name not in KEYWORDS and (known := get_close_matches(name, KEYWORDS, n=1, cutoff=ALMOST)):
        raise SchemaError(_("%(path)s: unknown keyword; is it %(known)s?") % {"path": path, "known": known[0]})
    if name != "format" or not isinstance(value, str) or value in FORMATS:
        return
    if known := get_close_matches(value, FORMATS, n=1, cutoff=ALMOST):
        raise SchemaError(_("%(path)s: unknown format; is it %(known)s?") % {"path": path, "known": known[0]})


def keywords(node: Any, path: str = "") -> Iterator[tuple[str, str, Any]]:
    """Every keyword of a schema and of the schemas in it, with its path and value; a little past MAX_DEPTH at most."""
    if path.count(".") > MAX_DEPTH + 1:
        return
    if isinstance(node, list):
        for index, value in enumerate(node):
            yield from keywords(value, f"{path}[{index}]")
    elif isinstance(node, dict):
        for name, value in node.items():
            at = f"{path}.{name}" if path else name
            yield at, name, value
            if name in NAMES and isinstance(value, dict):
                for chosen, schema in value.items():
                    yield from keywords(schema, f"{at}.{chosen}")
            elif name not in DATA:
                yield from keywords(value, at)


@lru_cache(maxsize=1_000)
def compiled(schema: bytes) -> Draft202012Validator:
    """By the text of the schema: another text is another schema."""
    return Draft202012Validator(
        orjson.loads(schema),
        pattern_options=RegexOptions(size_limit=MAX_PATTERN_BYTES, dfa_size_limit=MAX_PATTERN_BYTES),
        validate_formats=True,
        mask=MASKED,
    )


def breaches(schema: Schema, properties: Mapping[str, Any], *, root: str) -> list[Breach]:
    """Where `properties` break the schema, at most MAX_ERRORS; paths begin with `root`. Values are not in the text."""
    validator = compiled(orjson.dumps(schema, option=orjson.OPT_SORT_KEYS))
    if validator.is_valid(properties):
        return []
    found = []
    for error in validator.iter_errors(properties):
        found += list(breaches_of(error, root))
        if len(found) >= MAX_ERRORS:
            break
    return found[:MAX_ERRORS]


def breaches_of(error: ValidationError, root: str) -> Iterator[Breach]:
    """One for each property that is missing or not allowed, so that its place is named."""
    kind: Any = error.kind
    path = list(error.instance_path)
    if kind.name == "required":
        yield breach(root, [*path, str(kind.property).strip('"')], "is missing", None)
    elif kind.name in ("additionalProperties", "unevaluatedProperties"):
        for name in kind.unexpected:
            value = error.instance.get(name) if isinstance(error.instance, dict) else None
            yield breach(root, [*path, name], "is not in the schema", value)
    else:
        yield breach(root, path, problem_of(error), error.instance)


def problem_of(error: ValidationError) -> str:
    """What is wrong, in words of the schema alone: no value that was sent, and no name of a property."""
    kind: Any = error.kind
    match kind.name:
        case "propertyNames":
            return f"has a name that {problem_of(kind.error)}"
        case "const":
            return f"is not {as_text(kind.expected_value)}"
        case "enum":
            return f"is not one of {', '.join(map(as_text, kind.options))}"
        case "format":
            return f"is not of the format {kind.format}"
        case name if name in LIMITS:
            return LIMITS[name].format(kind.limit)
    return PROBLEMS.get(kind.name) or error.message.removeprefix(f"{MASKED} ")


def as_text(value: Any) -> str:
    return orjson.dumps(value).decode()


def breach(root: str, path: Sequence[str | int], problem: str, value: Any) -> Breach:
    return Breach(
        join(root, path), join(root, ["" if isinstance(part, int) else part for part in path]), problem, value
    )


def join(root: str, path: Sequence[str | int]) -> str:
    """`products[0].price`; an index of "" is any."""
    text = root
    for part in path:
        if isinstance(part, int) or part == "":
            text += f"[{part}]"
        else:
            text += f".{part}" if text else str(part)
    return text


def schema_from(samples: Sequence[Mapping[str, Any]]) -> Schema:
    """A schema that all `samples` of properties fit: the types seen, and required what every one of them has."""
    made = described([dict(sample) for sample in samples])
    return {"type": "object", **{name: part for name, part in made.items() if name != "type"}}


def described(values: Sequence[Any]) -> Schema:
    """The schema of values that stand at one place."""
    types = sorted({json_type(value) for value in values})
    if "integer" in types and "number" in types:
        types.remove("integer")
    schema: Schema = {"type": types[0] if len(types) == 1 else types} if types else {}
    objects = [value for value in values if isinstance(value, dict)]
    if objects:
        names = sorted({name for each in objects for name in each})
        schema["properties"] = {name: described([each[name] for each in objects if name in each]) for name in names}
        if required := [name for name in names if all(name in each for each in objects)]:
            schema["required"] = required
    if items := [item for value in values if isinstance(value, list) for item in value]:
        schema["items"] = described(items)
    return schema


def json_type(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
    return "object"
