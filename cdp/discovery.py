"""Find what the apps bring: every registry is filled by importing modules of one name, at start."""

import pkgutil
from importlib import import_module
from importlib.util import find_spec

from django.apps import apps

REGISTRY_MODULES = (
    "operators", "holders", "followers", "sections", "cards", "scoring", "channels", "normalisers", "subjects",
    "import_targets", "explainables", "dimensions", "dependents",
    "metrics", "feeds",
)  # fmt: skip


def discover(name: str) -> None:
    """Import `<app>.<name>` of every installed app and, where it is a package, each of its modules."""
    for config in apps.get_app_configs():
        path = f"{config.name}.{name}"
        if find_spec(path) is None:
            continue
        module = import_module(path)
        for found in pkgutil.iter_modules(getattr(module, "__path__", [])):
            import_module(f"{path}.{found.name}")
