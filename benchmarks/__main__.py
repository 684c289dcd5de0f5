"""`python -m benchmarks [NAME…]`: prints one JSON line a figure, each measured in a scratch database."""

from __future__ import annotations

import argparse
import os
import pkgutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

import django
from django.conf import settings
from django.db import connection

import benchmarks as package
from benchmarks.figure import Sizes, benchmarks
from cdp.garbage import collect_rarely


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cdp.settings")
    django.setup()
    for found in pkgutil.iter_modules(package.__path__):
        if found.name != "__main__":
            import_module(f"benchmarks.{found.name}")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(benchmarks)}; all of them if none")
    for size, default in (("messages", 20_000), ("profiles", 50_000)):
        variable = f"BENCH_{size.upper()}"
        parser.add_argument(f"--{size}", type=int, default=os.environ.get(variable, default), help=f"also {variable}")
    asked = parser.parse_args()
    unknown = set(asked.names) - benchmarks.keys()
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(benchmarks)}")
    collect_rarely()  # as a worker does
    for name in asked.names or benchmarks:
        with scratch_database():
            for figure in benchmarks[name](Sizes(messages=asked.messages, profiles=asked.profiles)):
                print(figure.as_json(), flush=True)


@contextmanager
def scratch_database() -> Iterator[None]:
    """A migrated database beside the one of DATABASE_URL, which is not touched; dropped in the end."""
    settings.DATABASES["default"]["TEST"]["NAME"] = f"bench_{os.getpid()}"
    own = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        yield
    finally:
        connection.creation.destroy_test_db(own, verbosity=0)


if __name__ == "__main__":
    main()
