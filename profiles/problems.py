"""What is wrong with messages, in the reader's language: it is stored in English, once for all readers."""

from __future__ import annotations

import re
from functools import cache, partial
from typing import Any

from django.utils.translation import gettext, gettext_noop, pgettext_lazy

from profiles.models import AttributeType

# As `ingest/schemas.py`, `ingest/quality.py`, `ingest/contributions.py` and `ingest/message.py` write them.
PROBLEMS = (
    gettext_noop("is missing"),
    gettext_noop("is not in the schema"),
    gettext_noop("is not a planned event"),
    gettext_noop("is not a planned attribute"),
    gettext_noop("event %(what)s is not a planned event"),
    gettext_noop("does not fit its type, %(attribute_type)s"),
    gettext_noop("no identifier that can name anybody"),
    gettext_noop("is of a kind that is not defined"),
    gettext_noop("is neither a text nor a whole number"),
    gettext_noop("is empty"),
    gettext_noop("is a value that names nobody, such as null or 0"),
    gettext_noop("is a blocked value of its kind"),
    gettext_noop("has more than %(what)s characters"),
    gettext_noop("does not have the form of its kind"),
    gettext_noop("has a name that %(what)s"),
    gettext_noop("is not of type %(json_type)s"),
    gettext_noop("is not of types %(json_type)s"),
    gettext_noop("is not one of %(what)s"),
    gettext_noop("is not %(what)s"),
    gettext_noop("does not match %(what)s"),
    gettext_noop("is shorter than %(what)s characters"),
    gettext_noop("is longer than %(what)s characters"),
    gettext_noop("is less than or equal to the minimum of %(what)s"),
    gettext_noop("is less than the minimum of %(what)s"),
    gettext_noop("is greater than or equal to the maximum of %(what)s"),
    gettext_noop("is greater than the maximum of %(what)s"),
    gettext_noop("is not a multiple of %(what)s"),
    gettext_noop("is not of the format %(format)s"),
    gettext_noop("is none of the types that there are: %(known)s"),
    gettext_noop("is no pattern that can be used: one of the RE2 kind, without lookaround, and not too large"),
    gettext_noop("has fewer than %(what)s items"),
    gettext_noop("has more than %(what)s items"),
    gettext_noop("has fewer than %(what)s properties"),
    gettext_noop("has more than %(what)s properties"),
    gettext_noop("holds the same item twice"),
    gettext_noop("holds too few or too many items of the kind asked for"),
    gettext_noop("holds items that are not in the schema"),
    gettext_noop("fits none of the alternatives, or more than it may"),
    gettext_noop("is what the schema rules out"),
)
# Whole sentences, as `ingest/message.py`, `ingest/accept.py` and `ingest/process.py` write them.
REASONS = (
    gettext_noop("a message is not an object"),
    gettext_noop("larger than %(what)s KB of UTF-8 JSON"),
    gettext_noop("nested deeper than %(max)s levels"),
    gettext_noop("holds a NUL character, which a database text cannot hold"),
    gettext_noop("holds half a surrogate pair, which is not Unicode text"),
    gettext_noop("holds NaN or an infinity, which are no numbers of JSON: send null"),
    gettext_noop("cannot be stored: %(what)s"),
    gettext_noop("type %(what)s is not taken; taken are %(known)s"),
    gettext_noop("previousId is missing: an alias without it says nothing"),
    gettext_noop("%(what)s is not a text"),
    gettext_noop("%(what)s is longer than %(max)s characters"),
    gettext_noop("%(what)s is not an object"),
    gettext_noop("%(what)s is not a list"),
    gettext_noop("%(what)s holds something that is not an object with type and id"),
    gettext_noop("event %(what)s is kept for %(type)s messages"),
    gettext_noop("timestamp %(what)s is not an ISO 8601 time"),
    gettext_noop("sentAt %(what)s cannot be"),
    gettext_noop("time %(what)s is more than 24 hours ahead"),
    gettext_noop("time %(what)s is before 1970"),
    gettext_noop("no identifier that can name anybody; taken are %(known)s"),
    gettext_noop("event %(what)s is new, and there are %(max)s discovered ones already"),
    gettext_noop("could not be processed: %(what)s"),
)
# What stands for a placeholder of these names, as the reader calls it; what is not here stays as the schema has it.
WORDS: dict[str, dict[str, Any]] = {
    "attribute_type": dict(AttributeType.choices),
    "format": {
        "date": pgettext_lazy("format", "date"),
        "date-time": pgettext_lazy("format", "date-time"),
        "email": pgettext_lazy("format", "email"),
        "phone": pgettext_lazy("format", "phone"),
        "regex": pgettext_lazy("format", "regex"),
        "time": pgettext_lazy("format", "time"),
        "uri": pgettext_lazy("format", "uri"),
    },
    "json_type": {
        '"array"': pgettext_lazy("of JSON", '"array"'),
        '"boolean"': pgettext_lazy("of JSON", '"boolean"'),
        '"integer"': pgettext_lazy("of JSON", '"integer"'),
        '"null"': pgettext_lazy("of JSON", '"null"'),
        '"number"': pgettext_lazy("of JSON", '"number"'),
        '"object"': pgettext_lazy("of JSON", '"object"'),
        '"string"': pgettext_lazy("of JSON", '"string"'),
    },
}
PLACEHOLDER = re.compile(r"%\\?\((\w+)\\?\)s")


@cache
def patterns(texts: tuple[str, ...]) -> list[tuple[re.Pattern[str], str]]:
    """Each text with what it is recognised by, the longest first: some begin like others."""
    ordered = sorted(texts, key=len, reverse=True)
    return [(re.compile(PLACEHOLDER.sub(r"(?P<\1>.+)", re.escape(text)), re.DOTALL), text) for text in ordered]


def translated(said: str, texts: tuple[str, ...]) -> str | None:
    """What was said by one of these texts, in the reader's language; what it quotes is translated where it is a problem
    itself.
    """
    for pattern, text in patterns(texts):
        if found := pattern.fullmatch(said):
            return PLACEHOLDER.sub(partial(_quoted, found), gettext(text))
    return None


def _quoted(found: re.Match[str], placeholder: re.Match[str]) -> str:
    name = placeholder[1]
    if name not in WORDS:
        return in_words(found[name])
    return ", ".join(str(WORDS[name].get(each, each)).lower() for each in found[name].split(", "))


def in_words(problem: str) -> str:
    """One problem; what is none of PROBLEMS stays as it is."""
    return translated(problem, PROBLEMS) or problem


def reason_in_words(reason: str) -> str:
    """The reason of a rejected message: one of REASONS, or `place: problem; place: problem`; what is neither stays."""
    return translated(reason, REASONS) or "; ".join(_with_place(part) for part in reason.split("; "))


def _with_place(part: str) -> str:
    place, colon, problem = part.partition(": ")
    known = translated(part, PROBLEMS)  # the name of an event may hold a colon
    return known or (f"{place}{colon}{in_words(problem)}" if colon else part)
