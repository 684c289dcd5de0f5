"""Saved mappings, where an upload asks for one that fits, and where one is kept."""

from __future__ import annotations

from collections.abc import Collection

from django.db import transaction

from cdp.keys import free_key_among
from profiles.imports.check import check
from profiles.models import IdentifierKind, Import, ImportMapping, Source

MIN_SHARE = 0.5  # of a file's columns that a mapping must use: one that knows two of fifty is not of such files


def agreeing_mapping(source: Source, columns: Collection[str]) -> ImportMapping | None:
    """The saved mapping of the source that fits a file with these columns; of several the one that uses most."""
    kinds = list(IdentifierKind.objects.values_list("key", flat=True))
    best, n_best = None, MIN_SHARE * len(columns)
    for saved in ImportMapping.objects.filter(source=source).order_by("-pk"):
        parsed, problems = check(saved.mapping, kinds=kinds, columns=columns)
        if parsed is not None and not problems and (n_used := len(parsed.columns())) >= n_best:
            best, n_best = saved, n_used + 1
    return best


def keep_mapping(imported: Import, name: str) -> ImportMapping:
    """Keep the mapping of an import under a name; that of the same source and name is replaced.

    Raises ValidationError where the name does not do.
    """
    with transaction.atomic():
        saved = ImportMapping.objects.select_for_update().filter(source=imported.source, name=name).first()
        saved = saved or ImportMapping(
            key=free_key_among(ImportMapping.objects, name, otherwise="mapping"), name=name, source=imported.source
        )
        saved.mapping = imported.mapping
        saved.full_clean()
        saved.save()
        imported.saved_mapping = saved
        imported.save(update_fields=["saved_mapping"])
    return saved
