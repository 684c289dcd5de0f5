"""Rules that are new: until everybody was judged by them, whoever moves there moves because of the edit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cdp.models import Run
from cdp.rules.causes import Cause
from profiles.refresh.graph import Graph
from profiles.refresh.queue import REFRESH

JUDGED = "judged"  # in the params of a run: the keys of the holders that it is done with


class Edit(NamedTuple):
    """The rules of a holder are new, and its refresh, which is done with those `judged`, waits or is under way."""

    holder: str
    judged: frozenset[str]


def edits_under_way() -> list[Edit]:
    """One query. Where the gate of a holder is passed, what it finds stays so until that is left."""
    runs = Run.objects.unfinished().filter(kind=REFRESH).exclude(params__has_key="cause")
    return [
        Edit(subject, frozenset(params.get(JUDGED, ()))) for subject, params in runs.values_list("subject", "params")
    ]


def not_judged_yet(edits: Sequence[Edit], graph: Graph) -> set[str]:
    """The keys of the holders that are still to be judged in full because of these edits, of them or of what they speak
    of.
    """
    return {key for edit in edits for key in graph.downstream([edit.holder]) if key not in edit.judged}


def is_awaiting(holder_key: str) -> bool:
    """Whether everybody is still to be judged for this holder because of an edit."""
    edits = edits_under_way()
    return bool(edits) and holder_key in not_judged_yet(edits, Graph.load())


def note_judged(run: Run | None, holder_key: str, *, cause: Cause) -> None:
    """Behind the holder's gate, as it ends: who moves from then on has other reasons."""
    if run is not None and cause is Cause.RULE:
        run.params = {**run.params, JUDGED: [*run.params.get(JUDGED, []), holder_key]}
        run.save(update_fields=["params"])
