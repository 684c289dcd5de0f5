"""What templates may name: attributes, tags, scores and the tier. A name that nobody has would silence a campaign."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches

from django.utils.translation import gettext as _

from campaigns.rendering import TemplateError, Variable, check_template, variables_of
from profiles.models import AttributeDefinition
from tags.models import Tag
from tags.score_models import score_models

SEEN_AT = ("first_seen_at", "last_seen_at", "created_at")  # known of everybody
TIER_PARTS = ("key", "name", "benefits")
MOST_NAMED = 8


@dataclass(frozen=True)
class Names:
    """The names that exist now, by what stands before the first dot; `tier` is empty without a scheme."""

    profile: Collection[str]
    tags: Collection[str]
    scores: Mapping[str, Collection[str]]
    tier: Collection[str]


def load_names(*, has_tiers: bool) -> Names:
    """Two queries. `has_tiers`: whether the campaign has a tier scheme."""
    return Names(
        profile=[*SEEN_AT, *AttributeDefinition.objects.values_list("key", flat=True)],
        tags=list(Tag.objects.values_list("key", flat=True)),
        scores={key: list(model.fields) for key, model in score_models().items()},
        tier=TIER_PARTS if has_tiers else (),
    )


def unknown_names(source: str, names: Names) -> Iterator[TemplateError]:
    """Each variable of a template that no person could have, in its order; a default does not excuse it.

    Raises TemplateError where the template cannot be read at all.
    """
    for variable in variables_of(source):
        if said := _unknown(variable, names):
            yield TemplateError(said, line=variable.line, column=variable.column)


def template_problems(source: str, names: Names) -> list[TemplateError]:
    """All that is wrong with a template, be it how it is written or what it names."""
    try:
        check_template(source)
    except TemplateError as error:
        return [error]
    return list(unknown_names(source, names))


def name_problems(parts: Mapping[str, str], names: Names) -> dict[str, list[str]]:
    """By part of a content, such as `body`: what it names that does not exist.

    A part that cannot be read at all has none: its field says so.
    """
    found: dict[str, list[str]] = {}
    for part, source in parts.items():
        with suppress(TemplateError):
            if said := [str(error) for error in unknown_names(source, names)]:
                found[part] = said
    return found


def _unknown(variable: Variable, names: Names) -> str:
    if variable.root == "tier" and not names.tier:
        return _("“%(name)s”: the campaign has no tier scheme") % {"name": variable}
    known: Collection[str] = {"profile": names.profile, "tags": names.tags, "tier": names.tier}.get(
        variable.root, names.scores
    )
    for at, part in enumerate(variable.path):
        if part is None or part == "size":  # looked up while rendering; how many there are
            return ""
        if part not in known:
            # An attribute's key may have dots: `profile.home.city` means `profile['home.city']`.
            wanted = ".".join(map(str, variable.path)) if variable.root == "profile" else part
            return _suggest(variable, ".".join([variable.root, *map(str, variable.path[:at])]), wanted, known)
        if variable.root != "scores" or at == 1:
            return ""
        known = names.scores[part]
    return ""


def _suggest(variable: Variable, before: str, wanted: str, known: Collection[str]) -> str:
    words = {"name": variable}
    if close := get_close_matches(wanted, known, n=1):
        return _("“%(name)s” does not exist; did you mean “%(close)s”?") % {
            **words,
            "close": f"{before}.{close[0]}" if _is_plain(close[0]) else f"{before}['{close[0]}']",
        }
    if known and len(known) <= MOST_NAMED:
        return _("“%(name)s” does not exist; there are: %(known)s") % {**words, "known": ", ".join(sorted(known))}
    return _("“%(name)s” does not exist") % words


def _is_plain(name: str) -> bool:
    return name.replace("-", "_").isidentifier()
