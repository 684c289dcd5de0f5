"""Tier schemes: the tiers from the highest, each with its rule, and how many stand in each."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from django.contrib import admin
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from cdp.admin.base import display
from cdp.admin.keys import KeyedPartForm
from cdp.keys import give_keys
from cdp.models import Run, User
from profiles.admin.holders import HolderAdmin, HolderForm, RulePartInline, refresh_label, refresh_state
from segments.cards import distribution
from segments.models import Tier, TierScheme
from segments.services import delete_tier_scheme, restore_tier_rules, save_tier_scheme


class TierSchemeForm(HolderForm):
    """A scheme; its tiers are the rows beneath."""

    class Meta:
        model = TierScheme
        fields = ("name", "key", "description")


class TierInline(RulePartInline):
    """Tiers, the highest first."""

    model = Tier
    form = KeyedPartForm
    rule_field = "entry"
    without_rule = _("Everybody who is left.")
    fields = ("name", "key", "position", "entry", "benefits")


@admin.register(TierScheme)
class TierSchemeAdmin(HolderAdmin):
    """Tier schemes: saving one checks all its rules and queues a refresh."""

    empty_text = _("No tier scheme yet. It ranks your customers, such as gold, silver and bronze by spend.")
    form = TierSchemeForm
    inlines = (TierInline,)
    holder_prefix = "tier"
    list_display = ("name", "key", "tier_names", "refreshed_at", "state")
    search_fields = ("key", "name")
    search_help_text = _("Key or name")
    fieldsets = (
        (None, {"fields": ("name", "key", "description", "seen_version")}),
        (_("State"), {"fields": ("distribution_shown", "refresh", "rule_version", "created_at")}),
    )
    add_fieldsets = ((None, {"fields": ("name", "key", "description")}),)
    read_fieldsets = (
        (None, {"fields": ("name", "key", "description")}),
        (_("State"), {"fields": ("distribution_shown", "refresh", "rule_version", "created_at")}),
    )
    readonly_fields = ("distribution_shown", "refresh", "rule_version", "created_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[TierScheme]:
        schemes: QuerySet[TierScheme] = super().get_queryset(request)
        return schemes.prefetch_related(Prefetch("tiers", queryset=Tier.objects.order_by("position")))

    @display(description=_("tiers"))
    def tier_names(self, scheme: TierScheme) -> str:
        return " › ".join(tier.name for tier in scheme.tiers.all()) or "-"

    @display(description=_("state"))
    def state(self, scheme: TierScheme) -> SafeString | str:
        return refresh_label(scheme)

    @display(description=_("distribution"))
    def distribution_shown(self, scheme: TierScheme) -> SafeString:
        return render_to_string("segments/distribution.html", {"rows": distribution(scheme)})

    @display(description=_("last full refresh"))
    def refresh(self, scheme: TierScheme) -> SafeString:
        return refresh_state(self.holder_key(scheme), scheme)

    def save_thing(
        self,
        thing: TierScheme,
        parts: list[Any],
        *,
        user: User,
        seen_version: int | None,
        changed: Collection[str] | None,
    ) -> Run | None:
        give_keys(parts, otherwise="tier")
        return save_tier_scheme(thing, tiers=parts, user=user, expected_version=seen_version, changed=changed)

    def restore_rules(self, thing: TierScheme, version: int, *, user: User) -> None:
        restore_tier_rules(thing, version, user=user)

    def delete_thing(self, thing: TierScheme) -> None:
        delete_tier_scheme(thing)

    def parts_of_thing(self, thing: TierScheme) -> Iterable[Tier]:
        return thing.tiers.all()
