"""Tags and scoring models, by name, where runs speak of them."""

from __future__ import annotations

from collections.abc import Collection

from cdp.subjects import Subject, by_key, name_family
from tags.models import Tag
from tags.score_models import score_models


def load_scores(keys: Collection[str]) -> dict[str, Subject]:
    return {key: Subject(model.label) for key, model in score_models().items() if key in keys}


name_family("tag", by_key(Tag))
name_family("score", load_scores)
