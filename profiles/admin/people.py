"""A list of people as a whole: what it is called, the rule that finds the same people, whom an action is for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.http import HttpRequest
from django.utils.translation import gettext, ngettext

from cdp.rules.errors import RuleError
from cdp.rules.parse import parse_rule


class PeopleFilter:
    """Mixed into the filters of the list of people, which can be saved as a segment, tagged and exported."""

    title: Any
    lookup_choices: Any
    value: Any

    def in_words(self) -> str:
        """What is filtered by, for those who see the list and for what is written down of it; "" for nothing."""
        chosen = dict(self.lookup_choices).get(self.value())
        return f"{self.title}: {chosen}" if chosen else ""

    def as_rule(self) -> Any:
        """The rule that finds the same people, as JSON; None where the rule language cannot say it."""
        return None


@dataclass(frozen=True)
class ListOfPeople:
    """What is listed: in words without what was searched for, and as a rule where one finds just these people."""

    words: str
    rule: Any


def list_of_people(changelist: Any) -> ListOfPeople:
    """The list that search and filters make, as a whole."""
    used = [each for each in changelist.filter_specs if isinstance(each, PeopleFilter) and each.value()]
    words = [each.in_words() for each in used] + ([gettext("a search")] if changelist.query else [])
    rules = [each.as_rule() for each in used]
    can_be_said = bool(rules) and None not in rules and not changelist.query
    return ListOfPeople(" · ".join(filter(None, words)), joined(rules) if can_be_said else None)


def joined(rules: Sequence[Any]) -> Any:
    """One rule for all; None where it speaks of what no rule can name, such as an archived segment."""
    nodes = [node for rule in rules for node in rule.get("all", [rule])]
    rule = nodes[0] if len(nodes) == 1 else {"all": nodes}
    try:
        parse_rule(rule)
    except RuleError:
        return None
    return rule


def chosen_people(model_admin: Any, request: HttpRequest) -> ListOfPeople:
    """Whom an action of the list was asked for: those ticked, or all of the list."""
    if request.POST.get("select_across") == "1":
        found = list_of_people(model_admin.get_changelist_instance(request))
        return ListOfPeople(found.words or gettext("everybody"), found.rule)
    n = len(request.POST.getlist(ACTION_CHECKBOX_NAME))
    return ListOfPeople(ngettext("%(n)s ticked in the list", "%(n)s ticked in the list", n) % {"n": f"{n:,}"}, None)


def asked_again(request: HttpRequest) -> dict[str, Any]:
    """For the page on which an action asks for more: what its form must send again, beside the address."""
    return {
        "is_all": request.POST.get("select_across") == "1",
        "chosen": request.POST.getlist(ACTION_CHECKBOX_NAME),
        "checkbox": ACTION_CHECKBOX_NAME,
        "action": request.POST.get("action", ""),
    }
