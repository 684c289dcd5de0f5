"""The list of people, by a rule in its address: what every number that is counted elsewhere opens.

The rule is signed, so that nobody can ask by hand what they may not read; and whoever opens such an address must
still be one who may see every value that the rule compares.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.core import signing
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.text import Truncator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter

from cdp.rules.ast import Rule
from cdp.rules.compile import compile_rule
from cdp.rules.describe import describe_rule
from cdp.rules.errors import RuleError
from cdp.rules.parse import parse_rule
from cdp.rules.scope import EVERYBODY
from profiles.admin.people import PeopleFilter
from profiles.dimensions.attribute import is_open
from profiles.masking import OPEN_OPS, Masking, masking_for
from profiles.models import Profile
from profiles.operators.attribute import BUILT_IN
from profiles.people_urls import PARAMETER, SALT


def rule_of(request: HttpRequest) -> tuple[Any, Rule] | None:
    """The rule in the address, as JSON and parsed; None where there is none that this user may ask."""
    try:
        rule = signing.loads(request.GET.get(PARAMETER, ""), salt=SALT)
        parsed = parse_rule(rule)
    except (signing.BadSignature, RuleError):  # cut off; or speaks of what is gone
        return None
    return (rule, parsed) if may_ask(rule, masking_for(request.user)) else None


def may_ask(rule: Any, masking: Masking) -> bool:
    """Whether every value that the rule compares is open to this user."""
    if masking.sees_all:
        return True
    match rule:
        case {"all": list(nodes)} | {"any": list(nodes)}:
            return all(may_ask(node, masking) for node in nodes)
        case {"not": node}:
            return may_ask(node, masking)
        case {"op": "attribute", "key": str(key)}:
            return key in BUILT_IN or (is_open(key, masking) and masking.rule(rule) == rule)
        case {"op": str(op)}:
            return op in OPEN_OPS
    return False


class RuleFilter(PeopleFilter, DropdownFilter):  # type: ignore[misc]
    """Those of the rule in the address; shown while there is one."""

    title = _("rule")
    parameter_name = PARAMETER

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        given = request.GET.get(PARAMETER)
        if not given:
            return []
        found = rule_of(request)
        return [(given, Truncator(describe_rule(found[1])).chars(80) if found else gettext("Cannot be read"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Profile]) -> QuerySet[Profile]:
        if not self.value():
            return queryset
        found = rule_of(request)
        if found is None:
            return queryset.none()
        return queryset.filter(compile_rule(found[1], scope=EVERYBODY, now=timezone.now()))

    def as_rule(self) -> Any:
        try:
            return signing.loads(self.value() or "", salt=SALT)
        except signing.BadSignature:
            return None  # then nobody is listed


def by_rule_context(request: HttpRequest) -> Mapping[str, Any]:
    """For the bar above the list: the sentence of the rule."""
    if not request.GET.get(PARAMETER):
        return {}
    found = rule_of(request)
    if found is None:
        return {"by_rule": {"is_refused": True}}
    return {"by_rule": {"sentence": describe_rule(found[1])}}


def rule_in_address(rule: Any) -> str:
    """Rule JSON as a parameter of a form's address."""
    return urlencode({PARAMETER: json.dumps(rule, ensure_ascii=False)})
