"""Campaigns: what is said to whom, the launch, and what came of it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.forms import PaginationInlineFormSet
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from campaigns.channels.base import all_channels
from campaigns.models import Campaign, Content, Delivery
from campaigns.services.audience import render_samples
from campaigns.services.edit import NotDraftError, delete_campaign, save_campaign
from campaigns.services.launch import LaunchError, check_launch, launch_campaign
from campaigns.services.plan import PLAN_CAMPAIGN
from campaigns.services.stats import campaign_stats
from cdp.admin.base import StrataAdmin, StrataStackedInline, account, display, has_perm, signed_in
from cdp.admin.keys import KeyedForm
from cdp.admin.meanwhile import MeanwhileForm
from cdp.admin.runs import progress
from cdp.models import Run
from segments.models import Segment, Tier

STATE_LABELS = {
    Campaign.State.DRAFT: "default",
    Campaign.State.PLANNING: "info",
    Campaign.State.SENDING: "info",
    Campaign.State.FINISHED: "success",
}


class CampaignForm(MeanwhileForm, KeyedForm):
    """A campaign; its contents are the rows beneath."""

    channel = forms.ChoiceField(
        label=_("Channel"),
        choices=lambda: [(channel.key, channel.label) for channel in all_channels()],
        widget=UnfoldAdminSelectWidget,
    )

    class Meta:
        model = Campaign
        fields = ("name", "key", "channel", "segment", "tier_scheme")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "segment" in self.fields:
            self.fields["segment"].queryset = Segment.objects.current().order_by("name")  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        if not self.errors and data.get("segment") is None and data.get("tier_scheme") is None:
            raise ValidationError({"segment": _("Choose a segment, a tier scheme, or both.")})
        return data


class ContentFormSet(PaginationInlineFormSet):  # type: ignore[misc]
    """Contents know their campaign while they are checked, also that of a campaign not saved yet."""

    def _construct_form(self, index: int, **kwargs: Any) -> Any:
        form = super()._construct_form(index, **kwargs)
        form.instance.campaign = self.instance
        return form


class TierField(forms.ModelChoiceField):  # type: ignore[type-arg]
    """Tiers with the names of their schemes."""

    def label_from_instance(self, obj: Any) -> str:
        return f"{obj.scheme.name} · {obj.name}"


class ContentInline(StrataStackedInline):
    """One content per tier; the one without a tier is for everybody else."""

    model = Content
    formset = ContentFormSet
    fields = ("tier", "subject", "body")
    formfield_overrides = {models.TextField: {"widget": UnfoldAdminTextareaWidget}}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Content]:
        contents: QuerySet[Content] = super().get_queryset(request)
        return contents.select_related("tier").order_by("tier__position", "pk")

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "tier":
            kwargs["queryset"] = Tier.objects.select_related("scheme").order_by("scheme__name", "position")
            kwargs["form_class"] = TierField
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return (obj is None or obj.is_draft) and bool(super().has_add_permission(request, obj))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return (obj is None or obj.is_draft) and bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return (obj is None or obj.is_draft) and bool(super().has_delete_permission(request, obj))


@admin.register(Campaign)
class CampaignAdmin(StrataAdmin):
    """Drafts are edited and launched; once launched, a campaign is read."""

    empty_text = _("No campaign yet. It sends a segment, or each tier of a scheme, its own message.")
    form = CampaignForm
    inlines = (ContentInline,)
    change_form_outer_before_template = "campaigns/launch_bar.html"
    list_display = ("name", "key", "channel_name", "audience", "state_shown", "launched_at", "finished_at")
    list_filter = ("state", "segment", "tier_scheme")
    list_select_related = ("segment", "tier_scheme")
    search_fields = ("key", "name")
    search_help_text = _("Key or name")
    ordering = ("-id",)
    readonly_fields = (
        "channel_name",
        "state_shown",
        "results",
        "by",
        "created_at",
        "launched_at",
        "finished_at",
    )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.launch_view)
        return [path("<int:pk>/launch/", view, name="campaigns_campaign_launch"), *super().get_urls()]

    @display(description=_("created by"))
    def by(self, campaign: Any) -> SafeString | str:
        return account(campaign.created_by, campaign.viewer)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        channel = "channel" if self.has_change_permission(request, obj) else "channel_name"
        edited = (None, {"fields": ("name", "key", channel, "segment", "tier_scheme")})
        if obj is None:
            return (edited,)
        launched = () if obj.is_draft else ("launched_at", "finished_at", "results")
        return (edited, (_("State"), {"fields": ("state_shown", *launched, "by", "created_at")}))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.readonly_fields if obj is None else ("key", *self.readonly_fields)

    # --- Who may what ---

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return (obj is None or obj.is_draft) and bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return (obj is None or obj.is_draft) and bool(super().has_delete_permission(request, obj))

    # --- Columns ---

    @display(description=_("channel"), ordering="channel")
    def channel_name(self, campaign: Campaign) -> str:
        return str({channel.key: channel.label for channel in all_channels()}.get(campaign.channel, campaign.channel))

    @display(description=_("audience"))
    def audience(self, campaign: Campaign) -> str:
        return " · ".join(part.name for part in (campaign.segment, campaign.tier_scheme) if part is not None)

    @display(description=_("state"), ordering="state")
    def state_shown(self, campaign: Campaign) -> SafeString:
        label = {"text": campaign.get_state_display(), "type": STATE_LABELS[Campaign.State(campaign.state)]}
        return render_to_string("unfold/helpers/label.html", label)

    @display(description=_("results"))
    def results(self, campaign: Campaign) -> SafeString:
        """The ledger counted, and the run while it plans."""
        stats = campaign_stats(campaign)
        run = Run.objects.filter(kind=PLAN_CAMPAIGN, subject=campaign.key).order_by("-id").first()
        states = dict(Delivery.State.choices)
        reasons = dict(Delivery.Reason.choices)
        shown = [state for state in Delivery.State.values if stats.by_state[state]]
        context = {
            "campaign": campaign,
            "stats": stats,
            "bar": progress(run) if run is not None and run.state != Run.State.SUCCEEDED else "",
            "headers": [states[state] for state in shown],
            "rows": [(tier, [tier.by_state[state] for state in shown]) for tier in stats.tiers],
            "totals": [stats.by_state[state] for state in shown],
            "reasons": [(reasons.get(reason, reason), n) for reason, n in stats.by_reason.items()],
        }
        return render_to_string("campaigns/results.html", context)

    # --- Saving and launching ---

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            obj.created_by = request.user
        save_campaign(obj, changed=form.written() if change else None)

    def delete_model(self, request: HttpRequest, obj: Campaign) -> None:
        delete_campaign(obj)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except NotDraftError as error:
            return self.back_to_launched(request, error, object_id)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        try:
            return super().delete_view(request, object_id, extra_context)
        except NotDraftError as error:
            return self.back_to_launched(request, error, object_id)
        except ValidationError as error:  # somebody else has deleted it meanwhile
            messages.error(request, " ".join(error.messages))
            return HttpResponseRedirect(reverse("admin:campaigns_campaign_changelist"))

    def back_to_launched(self, request: HttpRequest, error: NotDraftError, object_id: str | None) -> HttpResponse:
        """Who edited a draft while another launched it is told so; nothing is changed."""
        messages.error(request, str(error))
        return HttpResponseRedirect(reverse("admin:campaigns_campaign_change", args=[object_id]))

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        obj = kwargs.get("obj")
        may_launch = has_perm(request, "campaigns.launch_campaign")
        context["launchable"] = obj if obj is not None and obj.is_draft and may_launch else None
        return super().render_change_form(request, context, *args, **kwargs)

    def launch_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask with the numbers in sight, then launch."""
        campaign = get_object_or_404(Campaign, pk=pk)
        if not has_perm(request, "campaigns.launch_campaign"):
            return HttpResponse(status=403)
        back = reverse("admin:campaigns_campaign_change", args=[pk])
        if request.method == "POST":
            try:
                launch_campaign(campaign, user=signed_in(request), now=timezone.now())
            except LaunchError as error:
                for problem in error.problems:
                    messages.error(request, problem)
            else:
                messages.success(request, gettext("Launched. The deliveries are being planned."))
            return HttpResponseRedirect(back)
        if not campaign.is_draft:
            return HttpResponseRedirect(back)
        check = check_launch(campaign)
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Launch %(name)s?") % {"name": campaign.name},
            "opts": self.opts,
            "original": campaign,
            "campaign": campaign,
            "check": check,
            "samples": [] if check.problems else render_samples(campaign, check.parts, viewer=request.user),
        }
        return TemplateResponse(request, "campaigns/launch.html", context)
