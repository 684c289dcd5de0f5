"""Whom a rule finds, and the SQL that finds them."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from django.db import connection

from cdp.rules.compile import compile_rule
from cdp.rules.parse import parse_rule
from cdp.rules.scope import EVERYBODY, Scope
from profiles.models import Profile


def matching(rule: Any, now: datetime, scope: Scope = EVERYBODY) -> set[int]:
    """Ids of the profiles for whom rule JSON holds."""
    condition = compile_rule(parse_rule(rule), scope=scope, now=now)
    return set(Profile.objects.current().filter(condition).values_list("pk", flat=True))


def where_of(rule: Any, now: datetime, scope: Scope = EVERYBODY) -> str:
    """The WHERE of the rule with its parameters in place, on one line, without quotes and the profile's table name."""
    condition = compile_rule(parse_rule(rule), scope=scope, now=now)
    sql, params = Profile.objects.filter(condition).values("pk").query.sql_with_params()
    with connection.cursor() as cursor:
        written: str = cursor.mogrify(sql, params)
    _select, _where, where = written.replace('"profiles_profile".', "").partition(" WHERE ")
    return re.sub(r"\s+", " ", where.replace('"', "").replace("::int8[]::bigint[]", "::bigint[]"))
