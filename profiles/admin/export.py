"""Exports of any list of people: of those ticked, or of all."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import override

from cdp.admin.base import signed_in
from cdp.audit import write_words
from cdp.rules.days import business_day
from profiles.admin.actions import register_profile_action
from profiles.admin.people import chosen_people
from profiles.downloads import people_response
from profiles.models import Profile
from profiles.services.export import FileFormat, FormatMissing


def export_people(
    model_admin: Any, request: HttpRequest, queryset: QuerySet[Profile], file_format: FileFormat
) -> HttpResponseBase | None:
    """A file of these people, personal data masked for those who may not see it. The audit of the account knows."""
    user = signed_in(request)
    name = f"people-{business_day(timezone.now()).isoformat()}"
    people = queryset.prefetch_related(None).order_by("pk")
    try:
        response = people_response(
            people, name, extra={"last_seen_at": "last_sight__at"}, file_format=file_format, user=user
        )
    except FormatMissing as error:
        messages.error(request, str(error))
        return None
    with override(None):
        words = chosen_people(model_admin, request).words
    write_words(user, user, f"Exported people as {file_format.label}: {words}.")
    return response


@register_profile_action("profiles.view_profile", for_all=_("Export CSV"), place=10)
@admin.action(description=_("Export the chosen as CSV"))
def export_csv(model_admin: Any, request: HttpRequest, queryset: QuerySet[Profile]) -> HttpResponseBase | None:
    return export_people(model_admin, request, queryset, FileFormat.CSV)


@register_profile_action("profiles.view_profile", for_all=_("Export NDJSON"), place=11)
@admin.action(description=_("Export the chosen as NDJSON"))
def export_ndjson(model_admin: Any, request: HttpRequest, queryset: QuerySet[Profile]) -> HttpResponseBase | None:
    return export_people(model_admin, request, queryset, FileFormat.NDJSON)


@register_profile_action("profiles.view_profile", for_all=_("Export Parquet"), place=12)
@admin.action(description=_("Export the chosen as Parquet"))
def export_parquet(model_admin: Any, request: HttpRequest, queryset: QuerySet[Profile]) -> HttpResponseBase | None:
    return export_people(model_admin, request, queryset, FileFormat.PARQUET)
