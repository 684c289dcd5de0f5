"""Saved mappings: which of them fits an upload, and how one is kept under a name of its own."""

from __future__ import annotations

from collections.abc import Collection
from itertools import count

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from cdp.audit import write_addition, write_change
from cdp.keys import free_key_among
from cdp.locks import advisory_lock
from cdp.models import User
from profiles.imports.check import check, parse_mapping
from profiles.imports.errors import ImportFileError
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


class NameTakenError(ValidationError):
    """Another mapping of the source has the name: `taken`."""

    def __init__(self, taken: ImportMapping) -> None:
        self.taken = taken
        if taken.is_watching:
            text = _("The saved mapping of this name watches the folder “%(folder)s”: choose another name.")
            super().__init__(text % {"folder": taken.folder})
        else:
            super().__init__(_("The source has a saved mapping of this name already: choose another one."))


def keep_mapping(imported: Import, name: str, *, user: User, replace: int | None = None) -> ImportMapping:
    """Keep the mapping of an import under a name. One of the same source and name is replaced where it is `replace`
    (its id), and watches no folder.

    Raises ValidationError where the name does not do, or the mapping is not whole; NameTakenError where the name is
    another's.
    """
    with transaction.atomic():
        lock_names(imported.source_id)
        saved = ImportMapping.objects.select_for_update().filter(source=imported.source, name=name).first()
        imported.refresh_from_db(fields=["mapping", "saved_mapping"])
        if saved is not None and saved.pk == imported.saved_mapping_id:
            return saved  # by a second click
        if saved is not None and (saved.is_watching or saved.pk != replace):
            raise NameTakenError(saved)
        check_whole(imported)
        before = {"mapping": saved.mapping} if saved is not None else None
        saved = saved or ImportMapping(
            key=free_key_among(ImportMapping.objects, name, otherwise="mapping"), name=name, source=imported.source
        )
        saved.mapping = imported.mapping
        saved.full_clean()
        saved.save()
        if before is not None:
            write_change(user, saved, before=before, after={"mapping": saved.mapping})
        else:
            values = {"key": saved.key, "name": name, "source": saved.source.key, "mapping": saved.mapping}
            write_addition(user, saved, values)
        imported.saved_mapping = saved
        imported.save(update_fields=["saved_mapping"])
    return saved


def check_whole(imported: Import) -> None:
    """Raises ValidationError where the mapping of the import has problems: its file is taken in by none such."""
    try:
        parse_mapping(imported.mapping, kinds=set(IdentifierKind.objects.values_list("key", flat=True)))
    except ImportFileError as error:
        raise ValidationError(str(error)) from error


def lock_names(source_id: int) -> None:
    """Until the open transaction ends, nobody else names a mapping of the source."""
    advisory_lock("mapping_names", source_id)


def check_name_is_free(name: str, source_id: int) -> None:
    """Raises NameTakenError where a mapping of the source has the name; where none has, none will until the open
    transaction ends.
    """
    lock_names(source_id)
    if (taken := ImportMapping.objects.filter(source=source_id, name=name).order_by("pk").first()) is not None:
        raise NameTakenError(taken)


def free_name(name: str, source_id: int) -> str:
    """The name, as far as there is room for it, with a number where a mapping of the source has it."""
    longest = ImportMapping._meta.get_field("name").max_length or 0
    taken = set(ImportMapping.objects.filter(source=source_id).values_list("name", flat=True))
    ends = (f" {n}" if n > 1 else "" for n in count(1))
    numbered = (name[: longest - len(end)].rstrip() + end for end in ends)
    return next(each for each in numbered if each not in taken)
