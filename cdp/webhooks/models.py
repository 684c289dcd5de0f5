"""Addresses that hear of changes, how far each has heard, what was sent, and what they answered."""

from __future__ import annotations

from typing import Self
from uuid import uuid4

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from cdp.rules.causes import Cause
from cdp.webhooks.addresses import validate_url
from cdp.webhooks.signing import new_secret

MAX_BATCH = 1000


class WebhookQuerySet(models.QuerySet["Webhook"]):
    def given_up(self) -> Self:
        """Switched off by itself: after days of failures, or as the receiver is gone."""
        return self.filter(disabled_at__isnull=False).exclude(disabled_reason=Webhook.Reason.BY_HAND)

    def in_trouble(self, *, n_failures: int) -> Self:
        """Those that were given up, then those that are on and have failed so often in a row, the longest first."""
        failing = models.Q(disabled_at__isnull=True, n_failures__gte=n_failures)
        return (self.given_up() | self.filter(failing)).order_by("disabled_at", "failing_since")


class Webhook(models.Model):
    """An address that is told of changes by POST.

    One message is under way at a time, so that changes arrive in order. `next_at` is when the next may go: later than
    now while it backs off. Whoever sends holds `lease` until `leased_until`; a worker that dies leaves it to run out.
    `told_at`: when its owner was written to that it was switched off.
    """

    class Reason(models.TextChoices):
        BY_HAND = "by_hand", _("Switched off by hand")
        FAILURES = "failures", _("Nothing but failures for days")
        GONE = "gone", _("The receiver answered 410: gone for good")

    key = models.SlugField(_("key"), max_length=50, unique=True)
    name = models.CharField(_("name"), max_length=100)
    url = models.CharField(
        _("address"), max_length=2000, validators=[validate_url], help_text=_("Where messages are sent, by https.")
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("owner"),
        help_text=_("Who is told when it is switched off."),
    )
    batch_size = models.PositiveSmallIntegerField(
        _("changes in one message, at most"),
        default=100,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_BATCH)],
    )
    secret = models.CharField(max_length=100, default=new_secret, editable=False)
    old_secret = models.CharField(max_length=100, blank=True, default="", editable=False)
    old_secret_until = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    disabled_at = models.DateTimeField(_("switched off"), null=True, editable=False)
    disabled_reason = models.CharField(_("why"), max_length=8, choices=Reason, blank=True, default="", editable=False)
    next_at = models.DateTimeField(_("next attempt"), editable=False)
    failing_since = models.DateTimeField(_("failing since"), null=True, editable=False)
    n_failures = models.PositiveIntegerField(_("failures in a row"), default=0, editable=False)
    succeeded_at = models.DateTimeField(_("last success"), null=True, editable=False)
    lease = models.UUIDField(null=True, editable=False)
    leased_until = models.DateTimeField(null=True, editable=False)
    told_at = models.DateTimeField(null=True, editable=False)

    objects = WebhookQuerySet.as_manager()

    class Meta:
        verbose_name = _("webhook")
        verbose_name_plural = _("webhooks")
        ordering = ["key"]

    def __str__(self) -> str:
        return self.name


class Subscription(models.Model):
    """A feed that a webhook hears, and the id of the last change in it that it has been told of, or passed by."""

    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="subscriptions")
    feed = models.CharField(_("feed"), max_length=30)
    subjects = ArrayField(models.CharField(max_length=50), verbose_name=_("of these only"), default=list, blank=True)
    causes = ArrayField(
        models.CharField(max_length=10, choices=Cause), verbose_name=_("of these causes only"), default=list, blank=True
    )
    after = models.BigIntegerField(_("heard up to"), default=0, editable=False)
    moved_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = _("subscription")
        verbose_name_plural = _("subscriptions")
        constraints = [models.UniqueConstraint(fields=["webhook", "feed"], name="subscription_webhook_feed")]

    def __str__(self) -> str:
        return self.feed


class WebhookMessage(models.Model):
    """The changes of a feed in (after, until] as one message. Its id is the `webhook-id`, the same at each attempt.

    What it holds is read from the feed again each time, so it takes no room. No feed: a test. `asked_at`: somebody
    asked for one more attempt, out of turn.
    """

    class State(models.TextChoices):
        PENDING = "pending", _("Under way")
        DELIVERED = "delivered", _("Delivered")
        FAILED = "failed", _("Failed")
        SKIPPED = "skipped", _("Skipped")

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="messages", db_index=False)
    feed = models.CharField(_("feed"), max_length=30, blank=True)
    subjects = ArrayField(models.CharField(max_length=50), default=list)
    causes = ArrayField(models.CharField(max_length=10), default=list)
    after = models.BigIntegerField(default=0)
    until = models.BigIntegerField(default=0)
    n_changes = models.PositiveIntegerField(_("changes"), default=0)
    state = models.CharField(_("state"), max_length=9, choices=State, default=State.PENDING)
    asked_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(_("created"))

    class Meta:
        verbose_name = _("message to a webhook")
        verbose_name_plural = _("messages to webhooks")
        constraints = [
            models.UniqueConstraint(
                fields=["webhook"],
                name="webhook_message_pending",
                condition=models.Q(state="pending") & ~models.Q(feed=""),
            )
        ]
        indexes = [
            models.Index(
                fields=["webhook", "asked_at"], name="message_asked", condition=models.Q(asked_at__isnull=False)
            ),
            models.Index(fields=["webhook", "created_at"], name="message_webhook"),
            models.Index(fields=["created_at"], name="message_created"),
        ]

    def __str__(self) -> str:
        return str(self.pk)


class WebhookAttempt(models.Model):
    """One POST of a message: what was answered, in its first characters, or why there was no answer.

    `n_bytes` is the size of what was sent; attempts from before it was counted have none.
    """

    message = models.ForeignKey(
        WebhookMessage, on_delete=models.CASCADE, related_name="attempts", verbose_name=_("message")
    )
    webhook = models.ForeignKey(
        Webhook, on_delete=models.CASCADE, related_name="attempts", db_index=False, verbose_name=_("webhook")
    )
    at = models.DateTimeField(_("time"))
    status = models.PositiveSmallIntegerField(_("status"), null=True)
    trouble = models.CharField(_("trouble"), max_length=10, blank=True)
    took_ms = models.PositiveIntegerField(_("time taken"))
    n_bytes = models.PositiveIntegerField(_("bytes"), null=True)
    answer = models.TextField(_("answer"), blank=True)

    class Meta:
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        ordering = ["-id"]
        indexes = [models.Index(fields=["webhook", "-id"], name="webhook_attempt_webhook")]

    def __str__(self) -> str:
        return f"{self.message_id} {self.status or self.trouble}"


class FeedStart(models.Model):
    """Where a feed starts: of its changes up to this id, and up to `at`, those are deleted that something followed."""

    feed = models.CharField(max_length=30, primary_key=True)
    after = models.BigIntegerField()
    at = models.DateTimeField()

    class Meta:
        verbose_name = _("start of a feed")
        verbose_name_plural = _("starts of feeds")

    def __str__(self) -> str:
        return f"{self.feed} {self.after}"
