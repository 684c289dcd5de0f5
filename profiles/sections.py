"""Sections: what each app adds to the profile page, to `GET profiles/{id}/` and to templates.

Each app brings its own in `<app>/sections.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Section:
    """`load(profile_ids)` answers for many in a fixed number of queries: {profile id: JSON-ready value}.

    `empty` is the value of a profile that `load` left out. `template` shows it on the profile page, "" for nowhere;
    it is given `value` and `profile`. PII is masked by whoever shows it (profiles/masking.py).
    """

    key: str
    order: int
    load: Callable[[Sequence[int]], dict[int, Any]]
    empty: Callable[[], Any]
    template: str = ""


_sections: dict[str, Section] = {}


def register_section(section: Section) -> Section:
    _sections[section.key] = section
    return section


def all_sections() -> list[Section]:
    return sorted(_sections.values(), key=lambda section: section.order)


def load_sections(profile_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Every section of every profile, keyed by profile id, then section key."""
    loaded = {section.key: section.load(profile_ids) for section in all_sections()}
    return {
        profile_id: {
            section.key: loaded[section.key].get(profile_id, section.empty()) for section in all_sections()
        }
        for profile_id in profile_ids
    }
