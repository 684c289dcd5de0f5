"""A row as it was understood, for people to look at."""

from __future__ import annotations

from collections.abc import Mapping

from profiles.imports.mapping import FileMapping
from profiles.imports.preview import PreviewRow
from profiles.imports.understand import Understood
from profiles.models import IdentifierKind


def show(row: Understood, mapping: FileMapping, *, kinds: Mapping[str, IdentifierKind], value_key: str) -> PreviewRow:
    kind_keys = {kind.pk: kind.key for kind in kinds.values()}
    return PreviewRow(
        number=row.row.number,
        line=row.row.line,
        cells=row.row.cells,
        identifiers=tuple((kind_keys[key.kind_id], key.value) for key in row.identifiers),
        attributes=row.traits,
        consents={channel: str(state) for channel, state in row.consents.items()},
        event=row.event,
        properties=row.properties,
        value=row.properties.get(value_key),
        occurred_at=row.occurred_at.isoformat() if row.occurred_at else "",
        others={key: mapping.targets[key].describe(said) for key, said in row.others.items() if said},
        problems=tuple(row.problems),
    )
