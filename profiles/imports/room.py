"""Whether the attributes that a file makes have room: what has none would silently stay in the events alone."""

from __future__ import annotations

from django.conf import settings
from django.utils.translation import gettext as _

from profiles.imports.errors import ImportFileError
from profiles.imports.mapping import FileMapping
from profiles.ingest.definitions import fitting
from profiles.ingest.traits import attributes_of
from profiles.models import AttributeDefinition


def check_room(mapping: FileMapping) -> None:
    """Raises ImportFileError where its columns would make more attributes than `settings.MAX_DISCOVERED_ATTRIBUTES`
    allows. Two queries.
    """
    keys, _n_odd = attributes_of(dict.fromkeys([*(column.key for column in mapping.traits), *mapping.constants], ""))
    known = AttributeDefinition.objects.filter(key__in=keys).values_list("key", flat=True)
    unknown = sorted(keys.keys() - set(known))
    n_fitting = len(fitting(unknown, AttributeDefinition, settings.MAX_DISCOVERED_ATTRIBUTES))
    if n_fitting < len(unknown):
        message = _(
            "The columns would make %(n)d new attributes, and there is room for %(room)d more: import fewer, or raise "
            "MAX_DISCOVERED_ATTRIBUTES (now %(limit)d)."
        )
        said = {"n": len(unknown), "room": n_fitting, "limit": settings.MAX_DISCOVERED_ATTRIBUTES}
        raise ImportFileError(message % said)
