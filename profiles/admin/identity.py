"""How identities came together: every merge."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cdp.admin.base import ReadOnlyAdmin, account, display, signed_in
from profiles.admin.names import display_name
from profiles.admin.search import find_people
from profiles.identity.errors import IdentityError, KeptApartError
from profiles.masking import mask_attributes, mask_identifier
from profiles.models import AttributeDefinition, Identifier, Profile, ProfileMerge
from profiles.templatetags.profile_values import definition_label


def person_link(profile: Profile, viewer: Any) -> SafeString:
    """A link to a person's page, by their name as this user may see it; merged-away profiles lead to their survivor."""
    url = reverse("admin:profiles_profile_change", args=[profile.pk])
    return format_html('<a class="st-link" href="{}">{}</a>', url, display_name(profile, viewer))


def identifier_text(identifier: Identifier, viewer: Any) -> str:
    """Kind and value, as this user may see it."""
    kind = identifier.kind
    return f"{gettext(kind.label)} {mask_identifier(kind.key, identifier.value, viewer)}"


class KindField(forms.ModelChoiceField):  # type: ignore[type-arg]
    """Kinds by their label in the language of the reader."""

    def label_from_instance(self, kind: Any) -> str:
        return gettext(kind.label)


def error_text(error: IdentityError, request: HttpRequest) -> str:
    """Why it cannot be done, as this user may read it."""
    return error.message_for(signed_in(request)) if isinstance(error, KeptApartError) else str(error)


@admin.register(ProfileMerge)
class ProfileMergeAdmin(ReadOnlyAdmin):
    """Every merge with its cause, newest first."""

    empty_text = _("No merge yet. Two profiles become one when a message names identifiers of both.")
    list_display = ("merged_at", "survivor_link", "absorbed_link", "cause", "source", "merged_by", "undone_at")
    list_filter = ("cause", "source")
    list_select_related = ("survivor", "absorbed", "source", "merged_by")
    ordering = ("-id",)
    sortable_by = ()
    search_fields = ("message_id",)
    search_help_text = _("Profile id or identifier")
    fields = (
        "merged_at", "survivor_link", "absorbed_link", "cause", "source", "message_id", "by", "undone", "moved",
        "before",
    )  # fmt: skip

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """Merges into the person whom the term names."""
        term = search_term.strip()
        return (queryset.filter(survivor__in=find_people(request, term)) if term else queryset), False

    @display(description=_("survivor"))
    def survivor_link(self, merge: Any) -> SafeString:
        return person_link(merge.survivor, merge.viewer)

    @display(description=_("absorbed"))
    def absorbed_link(self, merge: Any) -> SafeString:
        """By the name of before, while the merge holds: the golden record has gone to the survivor."""
        if merge.undone_at is None:
            merge.absorbed.attributes = merge.absorbed_before.get("attributes") or {}
        return person_link(merge.absorbed, merge.viewer)

    @display(description=_("merged by"))
    def by(self, merge: Any) -> SafeString | str:
        return account(merge.merged_by, merge.viewer)

    @display(description=_("undone"))
    def undone(self, merge: Any) -> SafeString | str:
        """When and by whom; where it holds, the way to undo it, for those who may."""
        if merge.undone_at is not None:
            return f"{localtime(merge.undone_at):%Y-%m-%d %H:%M} {merge.undone_by or ''}"
        if not merge.viewer.has_perm("profiles.merge_profile"):
            return "-"
        url = reverse("admin:profiles_profile_undo", args=[merge.pk])
        return format_html('<a class="st-link" href="{}">{}</a>', url, gettext("Undo…"))

    @display(description=_("identifiers that moved"))
    def moved(self, merge: Any) -> str:
        found = Identifier.objects.filter(pk__in=merge.identifiers[:100]).select_related("kind")
        return ", ".join(identifier_text(identifier, merge.viewer) for identifier in found) or "-"

    @display(description=_("as they were"))
    def before(self, merge: Any) -> SafeString:
        sides = [(_("Survivor"), merge.survivor_before), (_("Absorbed"), merge.absorbed_before)]
        masked = [(title, mask_attributes(before.get("attributes") or {}, merge.viewer)) for title, before in sides]
        keys = {key for _title, attributes in masked for key in attributes}
        labels = {found.key: definition_label(found) for found in AttributeDefinition.objects.filter(key__in=keys)}
        shown = [
            (title, [(labels.get(key, key), value) for key, value in attributes.items()])
            for title, attributes in masked
        ]
        return render_to_string("profiles/merge_before.html", {"sides": shown})
