"""Bodies of campaigns, deliveries and statistics."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from campaigns.channels.base import all_channels
from campaigns.models import Campaign, Content, Delivery
from campaigns.rendering import validate_template
from campaigns.services.edit import Draft, OtherSchemeError, check_tiers, save_campaign
from campaigns.variables import load_names, name_problems
from cdp.api.runs import RunSerializer
from cdp.api.serializers import PartSerializer, StrictModelSerializer
from segments.models import Segment, Tier, TierScheme

FALLBACK = "*"
NOW = "now"


class AudienceSerializer(PartSerializer):
    """A segment, a tier scheme, or the segment's members with a content by tier."""

    segment = serializers.SlugRelatedField(
        slug_field="key", queryset=Segment.objects.current(), allow_null=True, required=False, default=None
    )
    tier_scheme = serializers.SlugRelatedField(
        slug_field="key", queryset=TierScheme.objects.all(), allow_null=True, required=False, default=None
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not any(attrs.values()):
            raise serializers.ValidationError(_("name a segment, a tier scheme, or both"))
        return attrs


class ContentSerializer(PartSerializer):
    """One content, for the tier of this key; `*` is everybody whose tier has none of its own."""

    tier = serializers.CharField(default=FALLBACK)
    subject = serializers.CharField(max_length=250, validators=[validate_template])
    body = serializers.CharField(validators=[validate_template], trim_whitespace=False)

    def to_representation(self, content: Content) -> dict[str, str]:
        tier = content.tier.key if content.tier else FALLBACK
        return {"tier": tier, "subject": content.subject, "body": content.body}


class CampaignSerializer(StrictModelSerializer[Campaign]):
    """A campaign that is sent when it is launched. `contents`, where given, replaces all of them."""

    parts = ("contents",)
    audience = AudienceSerializer(source="*")
    trigger = serializers.ChoiceField(choices=[NOW], default=NOW, write_only=True)
    contents = ContentSerializer(many=True, required=False)
    created_by = serializers.CharField(source="created_by.username", default=None, read_only=True, allow_null=True)

    class Meta:
        model = Campaign
        fields = (
            "key", "name", "channel", "audience", "trigger", "contents", "state", "created_by",
            "created_at", "launched_at", "finished_at",
        )  # fmt: skip
        read_only_fields = ("state", "created_at", "launched_at", "finished_at")

    def validate_channel(self, channel: str) -> str:
        known = [found.key for found in all_channels()]
        if channel not in known:
            raise serializers.ValidationError(_("unknown channel; known: %s") % ", ".join(known))
        return channel

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs.pop("trigger", None)
        scheme = attrs.get("tier_scheme", getattr(self.instance, "tier_scheme", None))
        if "contents" in attrs:
            attrs["contents"] = drafts(attrs["contents"], scheme=scheme)
        return attrs

    def create(self, validated_data: dict[str, Any]) -> Campaign:
        contents = validated_data.pop("contents", [])
        campaign = Campaign(**validated_data, created_by=self.context["request"].user)
        save_campaign(campaign, contents=contents)
        return campaign

    def save_edited(self, edited: Campaign, *, changed: Collection[str]) -> None:
        with transaction.atomic():
            save_campaign(edited, contents=self.validated_data.get("contents"), changed=changed)
            try:
                check_tiers(edited)
            except OtherSchemeError as error:
                said = _("there are contents for tiers of another scheme; send the new ones with the audience")
                raise serializers.ValidationError({"contents": [said]}) from error

    def to_representation(self, campaign: Campaign) -> dict[str, Any]:
        return super().to_representation(campaign) | {"trigger": NOW}


def drafts(contents: list[dict[str, str]], *, scheme: TierScheme | None) -> list[Draft]:
    """Contents with their tiers looked up.

    Raises ValidationError for tiers that are not the scheme's or come twice,
    and for names that no template sees.
    """
    tiers = {tier.key: tier for tier in Tier.objects.filter(scheme=scheme)} if scheme else {}
    names = load_names(has_tiers=scheme is not None)
    errors: dict[Any, Any] = {}
    seen: set[str] = set()
    for index, content in enumerate(contents):
        key = content["tier"]
        if key != FALLBACK and key not in tiers:
            errors[index] = _at_tier(_("no tier of the campaign's scheme; known: %s") % ", ".join([*tiers, FALLBACK]))
        elif key in seen:
            errors[index] = _at_tier(_("has a content already"))
        elif problems := name_problems({part: content[part] for part in ("subject", "body")}, names):
            errors[index] = problems
        seen.add(key)
    if errors:
        found: Any = {"contents": errors}
        raise serializers.ValidationError(found)
    return [Draft(tiers.get(content["tier"]), content["subject"], content["body"]) for content in contents]


def _at_tier(message: Any) -> dict[str, list[Any]]:
    return {"tier": [message]}


class LaunchedSerializer(RunSerializer):
    """The run that plans the campaign, and what is worth knowing of its audience; for the schema."""

    remarks = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta(RunSerializer.Meta):
        fields: Any = (*RunSerializer.Meta.fields, "remarks")
        read_only_fields = fields


class DeliverySerializer(serializers.Serializer[Any]):
    """The shape of a row of deliveries, for the schema."""

    id = serializers.IntegerField()
    profile = serializers.UUIDField(help_text="The person now, if the profile was merged since.")
    tier = serializers.CharField(allow_null=True)
    state = serializers.ChoiceField(Delivery.State.choices)
    reason = serializers.ChoiceField(Delivery.Reason.choices, allow_blank=True)
    detail = serializers.CharField()
    address = serializers.CharField()
    planned_at = serializers.DateTimeField()
    settled_at = serializers.DateTimeField(allow_null=True)


@extend_schema_field({"type": "object", "additionalProperties": {"type": "integer"}})
class CountsField(serializers.JSONField):
    """Numbers by key."""


class TierStatsSerializer(serializers.Serializer[Any]):
    key = serializers.CharField(help_text="Empty for people in no tier.")
    name = serializers.CharField()
    n_deliveries = serializers.IntegerField()
    by_state = CountsField()


class StatsSerializer(serializers.Serializer[Any]):
    """The ledger, counted: every state, the reasons that occur, and the tiers from the highest."""

    n_deliveries = serializers.IntegerField()
    by_state = CountsField()
    by_reason = CountsField()
    tiers = TierStatsSerializer(many=True)
