"""A column that holds a rule."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from cdp.json_field import JsonField
from cdp.rules.errors import RuleError
from cdp.rules.parse import parse_rule


class RuleField(JsonField):
    """Rule JSON, checked by the language's own parser wherever a form or serializer cleans it."""

    def validate(self, value: Any, model_instance: models.Model | None) -> None:
        super().validate(value, model_instance)
        if value is None:
            return  # the column allows it
        try:
            parse_rule(value)
        except RuleError as error:
            raise ValidationError([str(problem) for problem in error.problems]) from error
