"""Where the data comes from: sources."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cdp.admin.base import display, has_perm, signed_in
from cdp.admin.keys import KeyedForm
from cdp.admin.meanwhile import MeanwhileForm
from cdp.audit import write_secret_change
from cdp.models import Run, User
from profiles.admin.connect import GraceForm, connect_context, connection_context
from profiles.admin.identity import KindField
from profiles.admin.refold import RefoldingAdmin
from profiles.models import IdentifierKind, Source, SourceDay
from profiles.models.source import COUNTERS
from profiles.services.definitions import Consequences, consequences_of_rank, save_source
from profiles.services.sources import replace_write_key

SHOWN = timedelta(days=30)  # of a source's counters


class SourceForm(MeanwhileForm, KeyedForm):
    """What a colleague switched off while the page was open stays off."""


@admin.register(Source)
class SourceAdmin(RefoldingAdmin):
    """Sources. The write key lets collect, so only those see it who may change the source."""

    empty_text = _(
        "No source yet. Make one for each shop, app or till: its page shows the write key that the SDK needs."
    )
    list_display = ("name", "key", "kind", "rank", "default_region", "is_enabled")
    list_filter = ("kind", "is_enabled")
    search_fields = ("key", "name")
    search_help_text = _("Key or name")
    readonly_fields = ("write_key_shown", "previous_id_kind_read", "created_at", "last_days", "oauth_client")
    form = SourceForm
    change_form_outer_before_template = "profiles/connect.html"

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/connection/", wrap(self.connection_view), name="profiles_source_connection"),
            path("<int:pk>/write-key/", wrap(self.write_key_view), name="profiles_source_write_key"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        """With how to connect a program, and whether one is."""
        source = self.get_object(request, object_id)
        if source is not None and self.has_view_permission(request, source):
            connect = connect_context(source, shows_key=self.has_change_permission(request, source))
            extra_context = {**(extra_context or {}), "connect": connect}
        return super().change_view(request, object_id, form_url, extra_context)

    def connection_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Whether messages come: asked again and again while the page is open."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        source = get_object_or_404(self.get_queryset(request), pk=pk)
        return render(request, "profiles/connection.html", connection_context(source))

    def write_key_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Replace the write key; the old one is good as long as asked for."""
        source = get_object_or_404(self.get_queryset(request), pk=pk)
        form = GraceForm(request.POST)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_change_permission(request, source):
            raise PermissionDenied
        if form.is_valid():
            replace_write_key(source, grace=form.grace, now=timezone.now())
            write_secret_change(signed_in(request), source, "write_key")
            messages.success(request, _("The source has a new write key."))
        else:
            messages.error(request, _("Choose for how long the old key stays good."))
        return HttpResponseRedirect(reverse("admin:profiles_source_change", args=[pk]))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Source]:
        """Without Strata's own, which collects nothing: its key would lead nowhere."""
        sources: QuerySet[Source] = super().get_queryset(request)
        return sources.exclude(kind=Source.Kind.BUILT_IN)

    def formfield_for_choice_field(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_choice_field(db_field, request, **kwargs)
        if db_field.name == "kind":
            field.choices = [(key, label) for key, label in db_field.choices if key != Source.Kind.BUILT_IN]
        return field

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "previous_id_kind":
            kwargs |= {"form_class": KindField, "queryset": IdentifierKind.objects.order_by("priority")}
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        what_it_is = ("name", "key", "kind", "rank", "is_enabled")
        plan = ("unplanned_events", "unplanned_attributes", "schema_violations")
        may_change = has_perm(request, "profiles.change_source")
        edited = (
            *what_it_is,
            "default_region",
            "previous_id_kind" if may_change else "previous_id_kind_read",
            "max_messages_per_second",
            *plan,
            "oauth_public_keys",
        )
        if obj is None:
            return edited
        client = ("oauth_client",) if getattr(obj, "oauth_public_keys", "") else ()
        shown = ("write_key_shown",) if may_change else ()
        return (*edited, *client, *shown, "created_at", "last_days")

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        """The key is fixed: requests name it."""
        return self.readonly_fields if obj is None else ("key", *self.readonly_fields)

    def consequences(self, before: Source, after: Source) -> Consequences | None:
        return None if before.rank == after.rank else consequences_of_rank(before)

    def save_and_queue(self, source: Source, user: User, changed: Collection[str]) -> Run | None:
        return save_source(source, user=user, changed=changed)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """What a source said stays on record, and the source with it; it can be switched off."""
        return False

    @display(description=_("write key"))
    def write_key_shown(self, source: Source) -> SafeString:
        return render_to_string("profiles/write_key.html", {"write_key": source.write_key})

    @display(description=_("kind of previous ids"))
    def previous_id_kind_read(self, source: Source) -> str:
        return gettext(source.previous_id_kind.label) if source.previous_id_kind else "-"

    @display(description=_("OAuth"))
    def oauth_client(self, source: Source) -> str:
        """What the program has to call itself and its key."""
        ids = ", ".join(source.oauth_keys)
        return _("client id: %(client)s; key ids, in the order of the keys: %(ids)s") % {
            "client": source.key, "ids": ids,
        }  # fmt: skip

    @display(description=_("last 30 days"))
    def last_days(self, source: Source) -> SafeString:
        """What became of its messages, the latest day first; days without any are left out."""
        days = source.days.filter(day__gt=timezone.localdate() - SHOWN).order_by("-day")
        names = [field.verbose_name for field in SourceDay._meta.fields if field.name in COUNTERS]
        rows = [(day.day, [getattr(day, name) for name in COUNTERS]) for day in days]
        return render_to_string("profiles/source_days.html", {"names": names, "rows": rows})
