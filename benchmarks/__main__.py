"""`python -m benchmarks [NAME…]`: prints one JSON line a figure, each measured in a scratch database."""

from __future__ import annotations

import argparse
import os
import pkgutil
import sys
import time
from importlib import import_module

import django

import benchmarks as package
from benchmarks.figure import Sizes, benchmarks
from cdp.garbage import collect_rarely

EVENTS_EACH = 20  # of a profile


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cdp.settings")
    django.setup()
    for found in pkgutil.iter_modules(package.__path__):
        if found.name != "__main__":
            import_module(f"benchmarks.{found.name}")
    from benchmarks.scratch import migrated, scratch  # noqa: PLC0415 - asks Django's settings

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(benchmarks)}; all of them if none")
    for size, default in (("messages", 20_000), ("profiles", 200_000), ("events", None)):
        variable = f"BENCH_{size.upper()}"
        described = f"also {variable}" if default else f"also {variable}; {EVENTS_EACH} a profile if it is absent"
        parser.add_argument(f"--{size}", type=int, default=os.environ.get(variable, default), help=described)
    asked = parser.parse_args()
    unknown = set(asked.names) - benchmarks.keys()
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(benchmarks)}")
    sizes = Sizes(asked.messages, asked.profiles, asked.events or EVENTS_EACH * asked.profiles)
    with migrated():
        collect_rarely()  # as a worker does; what migrations leave behind is no matter of the figures
        for name in asked.names or benchmarks:
            started = time.monotonic()
            with scratch():
                for figure in benchmarks[name](sizes):
                    print(figure.as_json(), flush=True)
            print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
