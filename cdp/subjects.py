"""What runs worked on, by name: each app tells in `<app>/subjects.py` how the keys of its things are looked up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import models
from django.urls import reverse
from django.utils.functional import Promise

from cdp.models import Run


@dataclass(frozen=True)
class Subject:
    """A thing's name, and the address of its page; "" where it has none."""

    name: str | Promise
    url: str = ""


Load = Callable[[Collection[str]], Mapping[str, Subject]]
_families: dict[str, Load] = {}


def name_family(family: str, load: Load) -> None:
    """`load(keys)` names things of a family, in one query: what stands before the colon of a subject such as
    `segment:loyal`, else the kind of the run. Keys come without the family; those unknown are left out.
    """
    _families[family] = load


def by_key(model: type[models.Model], *, name: str = "name") -> Load:
    """For models with a unique `key` and a page in the admin."""

    def load(keys: Collection[str]) -> dict[str, Subject]:
        page = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
        rows = model._default_manager.filter(key__in=keys).values_list("key", "pk", name)
        return {key: Subject(said or key, reverse(page, args=[pk])) for key, pk, said in rows}

    return load


def subjects_of(runs: Iterable[Run]) -> dict[int, Subject]:
    """By run id; a thing that is gone is called by its key. One query a family."""
    runs = list(runs)
    wanted: defaultdict[str, set[str]] = defaultdict(set)
    for run in runs:
        family, key = _family_and_key(run)
        wanted[family].add(key)
    found: dict[str, Mapping[str, Any]] = {
        family: _families[family](keys) for family, keys in wanted.items() if family in _families
    }
    subjects = {}
    for run in runs:
        family, key = _family_and_key(run)
        subjects[run.pk] = found.get(family, {}).get(key, Subject(run.subject))
    return subjects


def _family_and_key(run: Run) -> tuple[str, str]:
    family, colon, key = run.subject.partition(":")
    return (family, key) if colon else (run.kind, run.subject)
