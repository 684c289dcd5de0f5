"""Filling the table of moments for people who were there before it."""

from __future__ import annotations

from django.db import transaction

from cdp.models import Run
from cdp.runs import advance
from profiles.ingest.moments import index_moments
from profiles.models import Profile

INDEX_MOMENTS = "index_moments"  # the kind of run
CHUNK = 2_000  # people locked at a time


def index_everybody(run: Run) -> None:
    """Bring the moments of everybody to what their golden records say, a chunk a transaction.

    `run.params` hold how far it came: cut off anywhere, it goes on there.
    """
    total = Profile.objects.count()
    while index_next(run):
        advance(run, min(run.params["n_profiles"], total), total)


@transaction.atomic
def index_next(run: Run) -> bool:
    """The next chunk, and in the same transaction how far the run is; False where nobody is left."""
    following = Profile.objects.filter(pk__gt=run.params.get("after", 0)).order_by("pk")
    ids = list(following.select_for_update(no_key=True).values_list("pk", flat=True)[:CHUNK])
    if ids:
        index_moments(ids)
        run.params = {**run.params, "after": ids[-1], "n_profiles": run.params.get("n_profiles", 0) + len(ids)}
        run.save(update_fields=["params"])
    return bool(ids)
