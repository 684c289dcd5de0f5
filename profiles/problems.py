"""What is wrong with messages, in the reader's language: it is stored in English, once for all readers."""

from __future__ import annotations

import re
from functools import cache

from django.utils.translation import gettext, gettext_noop

# As `ingest/schemas.py`, `ingest/quality.py` and `ingest/contributions.py` write them.
PROBLEMS = (
    gettext_noop("is missing"),
    gettext_noop("is not in the schema"),
    gettext_noop("is not a planned event"),
    gettext_noop("is not a planned attribute"),
    gettext_noop("event %(what)s is not a planned event"),
    gettext_noop("does not fit its type, %(what)s"),
    gettext_noop("has a name that %(what)s"),
    gettext_noop("is not of type %(what)s"),
    gettext_noop("is not of types %(what)s"),
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
    gettext_noop("is not of the format %(what)s"),
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
WHAT = "%(what)s"


@cache
def patterns() -> list[tuple[re.Pattern[str], str]]:
    """Each text with what it is recognised by, the longest first: some begin like others."""
    ordered = sorted(PROBLEMS, key=len, reverse=True)
    return [(re.compile(re.escape(text).replace(re.escape(WHAT), "(.+)"), re.DOTALL), text) for text in ordered]


def in_words(problem: str) -> str:
    """One problem; what is none of PROBLEMS stays as it is."""
    for pattern, text in patterns():
        if found := pattern.fullmatch(problem):
            what = found[1] if found.groups() else ""
            return gettext(text).replace(WHAT, in_words(what))
    return problem


def reason_in_words(reason: str) -> str:
    """The reason of a rejected message: `place: problem; place: problem`; another sentence stays as it is."""
    return "; ".join(_with_place(part) for part in reason.split("; "))


def _with_place(part: str) -> str:
    place, colon, problem = part.partition(": ")
    return f"{place}{colon}{in_words(problem)}" if colon else in_words(part)
