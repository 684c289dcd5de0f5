"""The mapping of an import that is complete, kept under a name for the next file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext

from cdp.admin.base import has_perm, signed_in
from profiles.models import Import, ImportMapping
from profiles.services.saved_mappings import NameTakenError, free_name, keep_mapping


@dataclass(frozen=True)
class Keeping:
    """The form: the name in its field, what is wrong with it, and the mapping that has it already."""

    name: str
    error: str = ""
    taken: ImportMapping | None = None


def keeping_of(request: HttpRequest, imported: Any) -> Keeping | None:
    """The form with a name that is free; None where there is nothing to keep, or not by this user."""
    is_offered = imported.state == Import.State.COMPLETE and imported.saved_mapping_id is None
    if not is_offered or not has_perm(request, "profiles.add_importmapping"):
        return None
    return Keeping(free_name(imported.name.rsplit(".", 1)[0], imported.source_id))


def keep(request: HttpRequest, imported: Import) -> Keeping | None:
    """Do what the form asks for; returns it, with what is wrong, where it cannot be done."""
    name, replace = request.POST.get("name", "").strip(), request.POST.get("replace", "")
    try:
        keep_mapping(imported, name, user=signed_in(request), replace=int(replace) if replace.isdecimal() else None)
    except NameTakenError as error:
        return Keeping(name, " ".join(error.messages), error.taken)
    except ValidationError as error:
        return Keeping(name, " ".join(error.messages))
    text = gettext("“%(name)s” is saved, and chosen for the next file with these columns.")
    messages.success(request, text % {"name": name})
    return None
