"""Search for people in lists, by those who see personal data and by those who do not."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest
from django.utils.translation import gettext

from cdp.disclosure import may_see_pii
from profiles.services.resolve import as_uuid, find_by_public_ids
from profiles.services.search import find_by_identifier


def find_people(request: HttpRequest, term: str) -> list[int]:
    """Ids of the profiles that `term` names: by public id, and by identifier for those who see personal data.

    To find somebody by an address would tell whose it is, so the others are refused as the API refuses them; a
    message says so.
    """
    if may_see_pii(request.user):
        return find_by_identifier(term)
    if as_uuid(term) is None:
        messages.warning(
            request,
            gettext("Only those who may see personal data find people by identifier or name. Search by profile id."),
        )
        return []
    return list(find_by_public_ids([term]).values())
