"""What the builder of rules asks the server for: the language, names, values, and what a rule says and finds."""

from __future__ import annotations

from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, npgettext

from cdp.rules.catalogue import Wanted, catalogue_kinds
from cdp.rules.describe import describe_rule
from cdp.rules.errors import Problem, RuleError
from cdp.rules.language import language, names_of
from cdp.rules.parse import parse_rule
from profiles.admin.builder_words import builder_words
from profiles.admin.names import display_name
from profiles.admin.rules import MAX_RULE_CHARACTERS, json_problem, matches_in_words
from profiles.masking import masking_for
from profiles.models import Profile
from profiles.people_urls import people_url
from profiles.refresh.graph import barred_from
from profiles.refresh.saving import circles_in
from profiles.services.preview import PreviewTimeout, preview_rule
from profiles.services.suggestions import properties_of_events, values_of_attribute, values_of_property

MAX_NAMES = 200
MAX_EVENTS = 20  # whose properties are looked at


def rule_language(request: HttpRequest) -> HttpResponse:
    """The language and the builder's own words, once a page; and what the rule `of` a holder cannot name."""
    return _json({**language(), "say": builder_words(), "barred": barred(request.GET.get("of", ""))})


def barred(holder_key: str) -> dict[str, str]:
    """By holder key, why the rule cannot speak of it: it would make a circle."""
    if not holder_key:
        return {}
    itself, *dependents = barred_from(holder_key)
    reason = gettext("depends on what you are editing")
    return {itself: gettext("is what you are editing"), **dict.fromkeys(dependents, reason)}


def rule_token(request: HttpRequest) -> HttpResponse:
    """The token for forms, of who signed in again while a rule was being written."""
    return _json({"token": get_token(request)})


def rule_names(request: HttpRequest) -> HttpResponse:
    """Names of one `kind`: those with `q` in them, or each `name` that a rule has already."""
    kind = request.GET.get("kind", "")
    if kind not in catalogue_kinds():
        return HttpResponse(status=404)
    names = frozenset(request.GET.getlist("name")[:MAX_NAMES])
    wanted = Wanted(term=request.GET.get("q", ""), names=names, limit=MAX_NAMES if names else 50)
    return _json({"options": names_of(kind, wanted)})


def rule_properties(request: HttpRequest) -> HttpResponse:
    """The properties seen in the events of each `event`, with the type that they had."""
    seen = properties_of_events(request.GET.getlist("event")[:MAX_EVENTS], masking=masking_for(request.user))
    return _json({"options": [{"value": path, "label": path, "type": each.type} for path, each in seen.items()]})


def rule_values(request: HttpRequest) -> HttpResponse:
    """Values with `q` in them: of the attribute called `name`, or of a `property` of each `event`."""
    term, masking = request.GET.get("q", ""), masking_for(request.user)
    if "property" in request.GET:
        events = request.GET.getlist("event")[:MAX_EVENTS]
        found = values_of_property(events, request.GET["property"], term, masking=masking)
    elif request.GET.get("kind") == "attribute":
        found = values_of_attribute(request.GET.get("name", ""), term, masking=masking)
    else:
        found = []
    return _json({"options": [{"value": value, "label": value_label(value)} for value in found]})


def _json(answer: dict[str, Any]) -> HttpResponse:
    return JsonResponse(answer, json_dumps_params={"ensure_ascii": False})


def value_label(value: Any) -> str:
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    return str(value)


def rule_preview(request: HttpRequest) -> HttpResponse:
    """What the posted `rule` says, how many it finds and a few of them; or its `problems`, by their paths."""
    if request.method != "POST":
        return HttpResponse(status=405)
    text = request.POST.get("rule", "")
    if not text.strip() or len(text) > MAX_RULE_CHARACTERS:
        problem = gettext("Write a rule first.") if not text.strip() else gettext("This rule is too long.")
        return _problems([Problem(path="", message=problem)])
    try:
        rule_json = orjson.loads(text)
        sentence = describe_rule(parse_rule(rule_json))
    except RuleError as error:
        return _problems(error.problems)
    except ValueError as error:
        return _problems([Problem(path="", message=json_problem(error))])
    holder_key = request.POST.get("of", "")
    if holder_key and (circles := circles_in(holder_key, {"": rule_json})):
        return _problems(circles)
    try:
        preview = preview_rule(rule_json, now=timezone.now())
    except PreviewTimeout as error:
        way_on = gettext("It can be saved all the same: its refresh may take longer.")
        return _json({"sentence": sentence, "counted": "", "late": f"{error} {way_on}", "people": []})
    by_id = {each.public_id: each for each in Profile.objects.filter(public_id__in=preview.sample)}
    people = [by_id[public_id] for public_id in preview.sample if public_id in by_id]
    return _json({
        "sentence": sentence,
        "counted": matches_in_words(preview.count),
        "count": preview.count,
        "url": people_url(rule_json) if preview.count else "",
        "people": [
            {
                "name": display_name(person, request.user),
                "url": reverse("admin:profiles_profile_change", args=[person.pk]),
            }
            for person in people
        ],
        "more": _more_in_words(preview.count - len(people)),
    })  # fmt: skip


def _more_in_words(n_more: int) -> str:
    if n_more <= 0:
        return ""
    return npgettext("people", "and %(n)s more", "and %(n)s more", n_more) % {"n": f"{n_more:,}"}


def _problems(problems: list[Problem]) -> HttpResponse:
    return _json({"problems": [{"path": each.path, "message": each.message} for each in problems]})
