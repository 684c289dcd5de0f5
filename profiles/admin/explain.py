"""The page that answers why a person is in a segment, carries a tag, stands in a tier, or does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from cdp.admin.base import has_perm
from cdp.rules.catalogue import Option, Wanted, catalogue
from profiles.admin.names import display_name
from profiles.explainables import Explainable, Turn, all_explainables
from profiles.masking import Masking, masking_for
from profiles.models import Profile
from profiles.rule_reading import Shown, failure, show
from profiles.services.explain import ExplainTimeout, Explanation, Verdict, explain

MAX_OFFERED = 500  # of a kind
BY = {"rule": gettext_lazy("by rule"), "hand": gettext_lazy("by hand"), "import": gettext_lazy("by an import")}


@dataclass(frozen=True)
class Answer:
    """One outcome as the page shows it; without a tree it takes everybody who is left, or fails: `error`."""

    name: str
    matched: bool
    is_chosen: bool
    tree: Shown | None
    error: str


@dataclass(frozen=True)
class Offered:
    """What may be asked about, of one kind."""

    parameter: str
    label: Promise | str
    options: list[Option]


def explain_page(request: HttpRequest, profile: Profile, context: Mapping[str, Any]) -> HttpResponse:
    """`?segment=KEY`, `?tag=KEY`, `?tier_scheme=KEY`, or `?about=segment:KEY` as the form asks; else the form alone."""
    kinds = {name: kind for name, kind in all_explainables().items() if may_ask(request, kind)}
    name, key = asked_for(request)
    name_of_person = display_name(profile, request.user)
    profile.shown_name = name_of_person  # type: ignore[attr-defined]  # for the breadcrumb
    shown: dict[str, Any] = {
        **context,
        "title": _("Why?"),
        "original": profile,
        "profile": profile,
        "person": name_of_person,
        "offered": [
            Offered(kind.parameter, kind.label, list(catalogue(kind.prefix).offer(Wanted(limit=MAX_OFFERED))))
            for kind in kinds.values()
        ],
        "about": f"{name}:{key}",
    }
    if name:
        if name in all_explainables() and name not in kinds:
            return HttpResponse(status=403)
        shown |= explanation(request, profile, kinds.get(name), key)
    return TemplateResponse(request, "profiles/explain.html", shown)


def may_ask(request: HttpRequest, kind: Explainable) -> bool:
    return all(has_perm(request, permission) for permission in ("profiles.view_event", *kind.permissions))


def asked_for(request: HttpRequest) -> tuple[str, str]:
    """The parameter and the key; two empty texts where nothing is asked."""
    for name in all_explainables():
        if name in request.GET:
            return name, request.GET[name]
    name, _colon, key = request.GET.get("about", "").partition(":")
    return name, key


def explanation(request: HttpRequest, profile: Profile, kind: Explainable | None, key: str) -> dict[str, Any]:
    """What the page shows of one thing. Raises Http404 where there is none."""
    filled = kind.find(key) if kind else None
    if kind is None or filled is None:
        raise Http404
    about = {"filled": filled, "page": reverse(kind.page, args=[filled.pk])}
    try:
        found = explain(kind, filled, profile, now=timezone.now())
    except ExplainTimeout as error:
        return {**about, "problem": str(error)}
    masking = masking_for(request.user)
    names = {outcome.key: outcome.name for outcome in filled.outcomes if outcome.key}
    standing = found.standing
    return {
        **about,
        "found": found,
        "answers": [answer_of(verdict, found, masking) for verdict in found.verdicts],
        "is_many": bool(names),
        "chosen": names.get(found.chosen or "", found.chosen),
        "standing": standing,
        "stands_as": names.get(standing.outcome, standing.outcome) if standing else "",
        "by": BY[standing.by] if standing else "",
        "turns": [(turn, turn_in_words(turn, names)) for turn in found.turns],
        "is_as_ruled": found.chosen == (standing.outcome if standing else None),
    }


def answer_of(verdict: Verdict, found: Explanation, masking: Masking) -> Answer:
    return Answer(
        name=verdict.outcome.name,
        matched=verdict.matched,
        is_chosen=verdict.outcome.key == found.chosen,
        tree=show(verdict.judged, masking) if verdict.judged else None,
        error=failure(verdict.error, masking) if verdict.error else "",
    )


def turn_in_words(turn: Turn, names: Mapping[str, str]) -> str:
    """Such as "Entered" or "Silver → Gold"; a tier that is gone is called by its key."""
    before, after = (names.get(key, key) if key else "" for key in (turn.before, turn.after))
    if before and after:
        return f"{before} → {after}"
    word = _("Entered") if turn.after is not None else _("Left")
    return f"{word} · {before or after}" if before or after else word
