"""The history of rules: what each holder's rules were, since when, and by whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

from cdp.models import RuleVersion, User


class RulePart(TypedDict):
    """The rule of one value or tier; `key` and `name` are "" where the holder has a single rule."""

    key: str
    name: str
    rule: Any


def single(rule: Any) -> list[RulePart]:
    """The rules of a holder that has one."""
    return [{"key": "", "name": "", "rule": rule}]


def write_version(holder_key: str, version: int, parts: Sequence[RulePart], *, user: User | None) -> None:
    """Note the rules that were just saved. In the transaction that saves them."""
    RuleVersion.objects.create(holder=holder_key, version=version, rules=list(parts), user=user)


def rules_of_version(holder_key: str, version: int) -> list[RulePart]:
    """Raises RuleVersion.DoesNotExist."""
    rules: list[RulePart] = RuleVersion.objects.get(holder=holder_key, version=version).rules
    return rules
