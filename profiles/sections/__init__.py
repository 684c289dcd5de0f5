"""Sections: what each app adds to the profile page, to `GET profiles/{id}/` and to templates.

Each app brings its own in `<app>/sections.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils.functional import Promise

from profiles.models import Profile


@dataclass(frozen=True)
class Section:
    """`load(profile_ids)` answers for many in a fixed number of queries: {profile id: JSON-ready value}.

    `empty` is the value of a profile that `load` left out. On the profile page `template` shows it with the context
    that `page(request, profile)` gives, beside `request`, `profile` and `title`; "" for nowhere. `names(profile_ids)`
    makes it a column of the list of profiles: {profile id: short words in the active language}, one query for many.
    `is_page_only` keeps it out of what integrations read.
    """

    key: str
    order: int
    load: Callable[[Sequence[int]], dict[int, Any]]
    empty: Callable[[], Any]
    title: str | Promise = ""
    template: str = ""
    page: Callable[[HttpRequest, Profile], dict[str, Any]] | None = None
    names: Callable[[Sequence[int]], dict[int, list[str]]] | None = None
    is_page_only: bool = False


_sections: dict[str, Section] = {}


def register_section(section: Section) -> Section:
    _sections[section.key] = section
    return section


def all_sections() -> list[Section]:
    return sorted(_sections.values(), key=lambda section: section.order)


def load_sections(profile_ids: Sequence[int], *, keys: Collection[str] | None = None) -> dict[int, dict[str, Any]]:
    """Every section of every profile, or those of `keys`, by profile id, then section key; none that is page-only."""
    sections = [
        section for section in all_sections() if not section.is_page_only and (keys is None or section.key in keys)
    ]
    loaded = {section.key: section.load(profile_ids) for section in sections}
    return {
        profile_id: {section.key: loaded[section.key].get(profile_id, section.empty()) for section in sections}
        for profile_id in profile_ids
    }
