"""What OpenAPI says of all endpoints alike."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema

from cdp.rules.schema import rule_schemas

SCHEMAS = "#/components/schemas/"
PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["path", "message"],
                "properties": {
                    "path": {
                        "type": "string",
                        "description": "Of a field, such as `tiers[0].key`; of the field `rule` the place in the rule.",
                    },
                    "message": {"type": "string"},
                    "field": {
                        "type": "string",
                        "description": "Where the wrong rule stands, such as `rule`. Absent: `path` is a field.",
                    },
                },
            },
        },
    },
}
IDEMPOTENCY_KEY = {
    "in": "header",
    "name": "Idempotency-Key",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "description": "Sent again within 24 hours with the same body, the request does nothing and has the same answer.",
}


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "cdp.api.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}


class Schema(AutoSchema):
    """Says too what the body of a DELETE is, which the library leaves out."""

    def _get_request_body(self, direction: Any = "request") -> Any:
        view: Any = self.view
        shape = getattr(view, "deleting_bodies", {}).get(view.action) if self.method == "DELETE" else None
        if shape is None:
            return super()._get_request_body(direction)  # type: ignore[no-untyped-call]
        component = self.resolve_serializer(shape(), direction)
        return {"content": {"application/json": {"schema": component.ref}}, "required": True}


def add_rules(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """What a rule is, for the fields that hold one."""
    result["components"].setdefault("schemas", {}).update(rule_schemas(SCHEMAS))
    return result


def add_problems(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Give each operation the answer to errors, and each POST its header."""
    result["components"].setdefault("schemas", {})["Problem"] = PROBLEM
    answer = {
        "description": "An error, as RFC 9457 problem details.",
        "content": {"application/problem+json": {"schema": {"$ref": f"{SCHEMAS}Problem"}}},
    }
    for operations in result["paths"].values():
        for method, operation in operations.items():
            operation["responses"]["default"] = answer
            if method == "post":
                operation.setdefault("parameters", []).append(IDEMPOTENCY_KEY)
    return result
