"""JSON Schemas: which are refused, and what is said of properties that break one."""

import pytest
from django.utils.translation import override
from hypothesis import given
from hypothesis import strategies as st

from profiles.ingest.schemas import MAX_ERRORS, SchemaError, breaches, check_schema, schema_from

ORDER = {
    "required": ["total"],
    "properties": {
        "total": {"type": "number", "minimum": 0},
        "currency": {"enum": ["CNY", "EUR"]},
        "products": {"type": "array", "items": {"required": ["id"], "properties": {"price": {"type": "number"}}}},
    },
    "additionalProperties": False,
}


def deep(levels):
    return {"properties": {"a": deep(levels - 1)}} if levels else {}


@pytest.mark.parametrize(
    "schema",
    [
        {},
        ORDER,
        {"type": "object"},
        {
            "properties": {
                "$ref": {"type": "string"},
                "$id": {"type": "null"},
                "properties": {"properties": {"$id": {}}},
            }
        },
        {"enum": [{"$id": "a", "$ref": "b", "propertis": {}}]},
        {"properties": {"typ": {"x-order": 1, "example": 2, "format": "int32", "definitions": {}}}, "nullable": True},
    ],
)
def test_a_schema_that_can_be_used(schema):
    check_schema(schema)


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ([], "A schema is an object"),
        (None, "A schema is an object"),
        ({"type": "array"}, "nothing would ever fit"),
        ({"properties": {"a": {"type": "money"}}}, "properties.a.type: is none of the types that there are: "),
        ({"properties": {"a": {"type": ["string", "money"]}}}, 'there are: "array", "boolean", "integer", "null", '),
        ({"properties": {"a": {"minimum": "3"}}}, 'properties.a.minimum: is not of type "number"'),
        ({"properties": {"a": 5}}, 'properties.a: is not of types "boolean", "object"'),
        ({"required": ["a", "a"]}, "required: holds the same item twice"),
        ({"allOf": []}, "allOf: has fewer than 1 items"),
        ({"properties": {"a": {"pattern": "(?=a)b"}}}, "properties.a.pattern: is no pattern that can be used"),
        ({"properties": {"a": {"pattern": "(a{1000}){1000}"}}}, "properties.a.pattern: is no pattern that can be used"),
        ({"$ref": "https://example.com/schema.json"}, "references are not followed"),
        ({"properties": {"a": {"$ref": "#"}}}, "properties.a.$ref: references"),
        ({"properties": {"properties": {"$id": "https://example.com/"}}}, "properties.properties.$id: cannot be used"),
        ({"items": {"anyOf": [{}, {"$id": "https://example.com/"}]}}, "items.anyOf[1].$id: cannot be used"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "draft 2020-12"),
        ({"propertis": {"total": {}}}, "propertis: unknown keyword; is it properties?"),
        ({"properties": {"a": {"items": {"typ": "text"}}}}, "properties.a.items.typ: unknown keyword; is it type?"),
        ({"properties": {"a": {"format": "e-mail"}}}, "properties.a.format: unknown format; is it email?"),
        ({"description": "a\0b"}, "holds a NUL character"),
        ({"properties": {"a\0b": {}}}, "holds a NUL character"),
        ({"description": "x" * 20_001}, "larger than 20 KB"),
        (deep(200), "deeper than 20 levels"),
        (deep(15), "deeper than 20 levels"),
    ],
)
def test_a_schema_that_is_refused_says_why(schema, said):
    with pytest.raises(SchemaError) as error:
        check_schema(schema)

    assert said in str(error.value)


def test_a_schema_is_refused_in_the_language_of_the_reader():
    with override("zh-hans"), pytest.raises(SchemaError) as error:
        check_schema({"properties": {"a": {"minimum": "3"}}})

    assert str(error.value) == "properties.a.minimum: 应为数字"


def test_each_breach_names_its_place():
    properties = {"currency": "13800138000", "coupon": 1, "products": [{"id": 1}, {"price": "9"}]}

    found = {(breach.path, breach.place, breach.problem) for breach in breaches(ORDER, properties, root="properties")}

    assert found == {
        ("properties.total", "properties.total", "is missing"),
        ("properties.currency", "properties.currency", 'is not one of "CNY", "EUR"'),
        ("properties.coupon", "properties.coupon", "is not in the schema"),
        ("properties.products[1].id", "properties.products[].id", "is missing"),
        ("properties.products[1].price", "properties.products[].price", 'is not of type "number"'),
    }
    assert breaches(ORDER, {"total": 1.5, "products": []}, root="properties") == []


def test_a_message_full_of_breaches_has_a_few():
    assert len(breaches(ORDER, {f"p{n}": n for n in range(99)}, root="properties")) == MAX_ERRORS


def test_a_pattern_takes_no_longer_than_its_text():
    schema = {"properties": {"sku": {"pattern": "^(a+)+$"}}}

    assert len(breaches(schema, {"sku": "a" * 30_000 + "b"}, root="properties")) == 1


def test_a_schema_is_made_of_what_was_seen():
    samples = [
        {"total": 1, "sku": "x", "products": [{"id": 1}, {"id": "2", "gift": None}]},
        {"total": 1.5, "products": []},
    ]

    assert schema_from(samples) == {
        "type": "object",
        "required": ["products", "total"],
        "properties": {
            "products": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"gift": {"type": "null"}, "id": {"type": ["integer", "string"]}},
                    "required": ["id"],
                },
            },
            "sku": {"type": "string"},
            "total": {"type": "number"},
        },
    }
    assert schema_from([]) == {"type": "object"}


names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=3)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(names, json_values, max_size=4), max_size=4))
def test_what_a_schema_was_made_of_fits_it(samples):
    schema = schema_from(samples)

    check_schema(schema)
    assert [found for sample in samples for found in breaches(schema, sample, root="")] == []
