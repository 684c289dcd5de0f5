"""`webhooks/`: who is told of changes, what was sent to them, and what they answered."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from cdp.api.router import route
from cdp.api.serializers import MomentField, PartSerializer, StrictModelSerializer, StrictSerializer
from cdp.api.viewsets import ManagingViewSet
from cdp.disclosure import may_see_pii
from cdp.feeds import feeds
from cdp.models import User, Webhook, WebhookAttempt, WebhookMessage
from cdp.rules.causes import Cause
from cdp.webhooks.manage import (
    Hearing,
    delete_webhook,
    disable_webhook,
    enable_webhook,
    replace_secret,
    save_webhook,
    send_again,
    send_since,
    send_test,
)
from cdp.webhooks.signing import webhook_id

MAX_GRACE_HOURS = 30 * 24
MAX_SUBJECTS = 1000
CHANGING = ("cdp.change_webhook",)


class FeedField(serializers.ChoiceField):
    """A feed of those that there are. A serializer makes its fields anew each time: all are registered by then."""

    def __init__(self) -> None:
        unknown = _("“{input}” is no feed. There are: %(feeds)s") % {"feeds": ", ".join(feeds())}
        super().__init__(choices=list(feeds()), error_messages={"invalid_choice": unknown})


class HearingSerializer(PartSerializer):
    """A feed, and of what in it and why; of all, where the list is empty."""

    feed = FeedField()
    subjects = serializers.ListField(child=serializers.SlugField(max_length=50), default=list, max_length=MAX_SUBJECTS)
    causes = serializers.ListField(child=serializers.ChoiceField(Cause.choices), default=list, max_length=len(Cause))

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        feed = feeds()[attrs["feed"]]
        if attrs["causes"] and not feed.has_causes:
            raise serializers.ValidationError({"causes": [_("This feed says no causes.")]})
        known = {key for key, _name in feed.subjects()} if attrs["subjects"] else set()
        if unknown := [key for key in attrs["subjects"] if key not in known]:
            raise serializers.ValidationError({"subjects": [_("unknown: %s") % ", ".join(unknown)]})
        return attrs


class WebhookSerializer(StrictModelSerializer[Webhook]):
    """`secret` is null but in the answers to making the webhook and to replacing its secret. A new feed in `hears`
    starts now, with `from_start` at its oldest change.
    """

    parts = ("subscriptions", "from_start")
    owner = serializers.SlugRelatedField(
        slug_field="username", queryset=User.objects.filter(is_active=True), allow_null=True, required=False
    )
    hears = HearingSerializer(many=True, source="subscriptions", allow_empty=False)
    from_start = serializers.BooleanField(write_only=True, default=False)
    secret = serializers.SerializerMethodField()

    class Meta:
        model = Webhook
        fields = (
            "key", "name", "url", "owner", "batch_size", "hears", "from_start", "secret", "created_at", "disabled_at",
            "disabled_reason", "failing_since", "n_failures", "next_at", "succeeded_at",
        )  # fmt: skip
        read_only_fields = (
            "created_at", "disabled_at", "disabled_reason", "failing_since", "n_failures", "next_at", "succeeded_at",
        )  # fmt: skip

    @extend_schema_field({"type": "string", "nullable": True})
    def get_secret(self, webhook: Webhook) -> str | None:
        return webhook.secret if getattr(webhook, "shows_secret", False) else None

    def validate_hears(self, hears: list[dict[str, Any]]) -> list[dict[str, Any]]:
        names = [each["feed"] for each in hears]
        if len({*names}) < len(names):
            raise serializers.ValidationError(_("names a feed twice"))
        user: User = self.context["request"].user
        for name in names:
            if not user.has_perm(feeds()[name].permission):
                raise PermissionDenied(_("This needs the permission %s.") % feeds()[name].permission)
        return hears

    def create(self, validated_data: dict[str, Any]) -> Webhook:
        given = {name: value for name, value in validated_data.items() if name not in self.parts}
        webhook = Webhook(**{"owner": self.context["request"].user, **given})
        self.save_edited(webhook, changed=None)
        webhook.shows_secret = True  # type: ignore[attr-defined]
        return webhook

    def save_edited(self, edited: Webhook, *, changed: Collection[str] | None) -> None:
        hears = self.validated_data.get("subscriptions")
        chosen = None
        if hears is not None:
            chosen = [Hearing(each["feed"], tuple(each["subjects"]), tuple(each["causes"])) for each in hears]
        from_start = self.validated_data.get("from_start", False)
        save_webhook(edited, hears=chosen, now=timezone.now(), from_start=from_start, changed=changed)


class AttemptSerializer(serializers.Serializer[Any]):
    """One POST: a `status`, or the `trouble` in its place. `answer` is its first characters, or what of the certificate
    is not good; null for those who may not see personal data.
    """

    id = serializers.IntegerField()
    message = serializers.SerializerMethodField()
    feed = serializers.CharField(source="message.feed")
    n_changes = serializers.IntegerField(source="message.n_changes")
    at = serializers.DateTimeField()
    status = serializers.IntegerField(allow_null=True)
    trouble = serializers.CharField()
    took_ms = serializers.IntegerField()
    n_bytes = serializers.IntegerField(allow_null=True)
    answer = serializers.SerializerMethodField()

    def get_message(self, attempt: WebhookAttempt) -> str:
        return webhook_id(attempt.message_id)

    @extend_schema_field({"type": "string", "nullable": True})
    def get_answer(self, attempt: WebhookAttempt) -> str | None:
        return attempt.answer if may_see_pii(self.context["request"].user) else None


class NewSecretSerializer(StrictSerializer):
    grace_hours = serializers.IntegerField(min_value=0, max_value=MAX_GRACE_HOURS, default=24)


class EnableSerializer(StrictSerializer):
    """`from_now`: what happened while it was off is skipped."""

    from_now = serializers.BooleanField(default=False)


class SendAgainSerializer(StrictSerializer):
    message = serializers.RegexField(r"^msg_[0-9a-f]{32}\Z", help_text="The `webhook-id`.")


class SendSinceSerializer(StrictSerializer):
    since = MomentField(help_text="With its zone, such as `2026-06-15T04:00:00Z`.")


class AskedSerializer(serializers.Serializer[Any]):
    """The `webhook-id` of what is sent at the next opportunity; `attempts/` shows what came of it."""

    message = serializers.CharField()


@route("webhooks")
class WebhookViewSet(ManagingViewSet):
    """Webhooks by key; see docs/webhooks.md for what they send."""

    queryset = Webhook.objects.select_related("owner").prefetch_related("subscriptions").order_by("key")
    serializer_class = WebhookSerializer
    action_permissions = {
        "secret": CHANGING,
        "enable": CHANGING,
        "disable": CHANGING,
        "test": CHANGING,
        "send_again": CHANGING,
        "send_since": CHANGING,
        "attempts": ("cdp.view_webhookattempt",),
    }

    def perform_destroy(self, instance: Webhook) -> None:
        delete_webhook(instance)

    @extend_schema(request=NewSecretSerializer, responses=WebhookSerializer)
    @action(detail=True, methods=["post"], pagination_class=None)
    def secret(self, request: Request, key: str) -> Response:
        """Sign with a new secret, which this answer shows once; with the old one too for `grace_hours`."""
        webhook, given = self.get_object(), self._given(NewSecretSerializer)
        grace = timedelta(hours=given["grace_hours"])
        webhook = replace_secret(webhook, grace=grace, user=self._user(), now=timezone.now())
        webhook.shows_secret = True  # type: ignore[attr-defined]
        return Response(self.get_serializer(webhook).data)

    @extend_schema(request=EnableSerializer, responses=WebhookSerializer)
    @action(detail=True, methods=["post"], pagination_class=None)
    def enable(self, request: Request, key: str) -> Response:
        """Send again from where it stood, or from now on."""
        webhook, given = self.get_object(), self._given(EnableSerializer)
        enable_webhook(webhook, from_now=given["from_now"], user=self._user(), now=timezone.now())
        return self._changed(webhook)

    @extend_schema(request=None, responses=WebhookSerializer)
    @action(detail=True, methods=["post"], pagination_class=None)
    def disable(self, request: Request, key: str) -> Response:
        """Send nothing more; what it does not hear is kept for it."""
        webhook = self.get_object()
        disable_webhook(webhook, user=self._user(), now=timezone.now())
        return self._changed(webhook)

    @extend_schema(request=None, responses={202: AskedSerializer})
    @action(detail=True, methods=["post"], pagination_class=None)
    def test(self, request: Request, key: str) -> Response:
        """Send a message of type `webhook.test`, also where it is switched off."""
        message = send_test(self.get_object(), now=timezone.now())
        return Response({"message": webhook_id(message.pk)}, status=202)

    @extend_schema(request=SendAgainSerializer, responses={202: AskedSerializer})
    @action(detail=True, methods=["post"], url_path="send-again", pagination_class=None)
    def send_again(self, request: Request, key: str) -> Response:
        """Send a message of the last 30 days once more, under its id."""
        webhook, given = self.get_object(), self._given(SendAgainSerializer)
        asked = UUID(given["message"].removeprefix("msg_"))
        message = get_object_or_404(WebhookMessage, webhook=webhook, pk=asked)
        send_again(message, now=timezone.now())
        return Response({"message": webhook_id(message.pk)}, status=202)

    @extend_schema(request=SendSinceSerializer, responses={202: WebhookSerializer})
    @action(detail=True, methods=["post"], url_path="send-since", pagination_class=None)
    def send_since(self, request: Request, key: str) -> Response:
        """Send all that happened since a moment once more, as new messages, in order."""
        webhook, given = self.get_object(), self._given(SendSinceSerializer)
        try:
            send_since(webhook, given["since"], user=self._user(), now=timezone.now())
        except ValidationError as error:
            raise serializers.ValidationError({"since": error.messages}) from error
        return Response(self.get_serializer(self.get_queryset().get(pk=webhook.pk)).data, status=202)

    @extend_schema(responses=AttemptSerializer(many=True))
    @action(detail=True)
    def attempts(self, request: Request, key: str) -> Response:
        """What was sent, the latest first."""
        rows = WebhookAttempt.objects.filter(webhook=self.get_object()).select_related("message").order_by("-id")
        page = self.paginate_queryset(rows) or []
        shown = AttemptSerializer(page, many=True, context=self.get_serializer_context())
        return self.get_paginated_response(shown.data)

    def _given(self, shape: type[StrictSerializer]) -> dict[str, Any]:
        body = shape(data=self.request.data)
        body.is_valid(raise_exception=True)
        given: dict[str, Any] = body.validated_data
        return given

    def _user(self) -> User:
        user: User = self.request.user  # type: ignore[assignment]
        return user

    def _changed(self, webhook: Webhook) -> Response:
        return Response(self.get_serializer(self.get_queryset().get(pk=webhook.pk)).data)
