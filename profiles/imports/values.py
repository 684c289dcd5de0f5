"""Which property of an event a mapping's `value` fills: the one that the event's definition counts."""

from __future__ import annotations

from django.utils.translation import gettext as _

from profiles.imports.errors import ImportFileError
from profiles.imports.mapping import FileMapping
from profiles.models import EventDefinition

DEFAULT = "value"


def value_key(mapping: FileMapping) -> str:
    """The property; that of the mapping, else of the definition of its one event, else `value`.

    Raises:
        ImportFileError: there is such an event, and no property of it counts.
    """
    if mapping.value is None or mapping.value.key:
        return mapping.value.key if mapping.value else ""
    definition = EventDefinition.objects.filter(name=mapping.event).first() if mapping.event else None
    if definition is None:
        return DEFAULT
    if not definition.value_property:
        raise ImportFileError(
            _("mapping, “value”: no property of “%(event)s” counts; name one in its definition, or map a property")
            % {"event": definition.name}
        )
    return definition.value_property


def new_values(mapping: FileMapping, key: str) -> dict[str, str]:
    """The property that counts, by the name of the mapping's event: for its definition, where the event is new."""
    return {mapping.event: key} if mapping.value is not None and mapping.event else {}
