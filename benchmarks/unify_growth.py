"""Unifying messages beside few people and beside many: what one costs should not grow with their number."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from django.db import connection
from django.utils import timezone

from benchmarks.figure import Figure, Sizes, benchmark
from benchmarks.people import make_people
from benchmarks.scratch import connect_to, copy_of
from benchmarks.unify import LONG, checkpoint, fill_inbox
from benchmarks.workers import crew_of
from profiles.models import Source

FEWER = 20  # times
ROUNDS = 8
N_WORKERS = 2


@benchmark("unify_growth")
def unify_growth(sizes: Sizes) -> Iterator[Figure]:
    """Beside a twentieth of the people and beside all of them, in two databases of one server, a round each in turn.

    In turn, since machines become slower within the ten minutes that this takes. Behind one checkpoint for all rounds:
    each page is written to the log as a whole when it is first changed behind one, which the first messages pay for
    those that come after them on the way to the next.
    """
    source = Source.objects.create(key="bench", name="Bench")
    few, n = max(1, sizes.profiles // FEWER), LONG * sizes.messages
    larger = connection.settings_dict["NAME"]
    with copy_of(larger) as smaller, ExitStack() as at_work:
        people_of = {smaller: few, larger: sizes.profiles}
        crews = {}
        for name, n_people in people_of.items():
            connect_to(name)
            make_people(1, n_people, source=source, now=timezone.now())
            crews[name] = at_work.enter_context(crew_of(N_WORKERS))
        checkpoint()
        seconds = dict.fromkeys(people_of, 0.0)
        for seed in range(ROUNDS):
            for name, n_people in people_of.items():
                connect_to(name)
                fill_inbox(source, n, n_people=n_people, seed=seed)
                seconds[name] += crews[name].work_off()[0]

    beside_few = f"the same beside {few} profiles"
    yield Figure("unify_growth", ROUNDS * n, "messages", seconds[larger], beside_few, seconds[smaller])
