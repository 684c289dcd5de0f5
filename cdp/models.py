"""People and tokens that use Strata, and the runs that show its long work."""

from __future__ import annotations

import hashlib
import secrets
from typing import Self

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils.translation import gettext_lazy as _

from cdp.json_field import JsonField
from cdp.webhooks.models import FeedStart, Subscription, Webhook, WebhookAttempt, WebhookMessage

__all__ = [
    "UNFINISHED", "ApiToken", "FeedStart", "IdempotentAnswer", "Run", "Subscription", "User", "Webhook",
    "WebhookAttempt", "WebhookMessage",
]  # fmt: skip


class User(AbstractUser):
    """Someone who signs in, or the service account of one API token (`token:<name>`, no password)."""

    class Meta(AbstractUser.Meta):
        verbose_name = _("user")  # type: ignore[assignment]
        verbose_name_plural = _("users")  # type: ignore[assignment]


class ApiToken(models.Model):
    """A bearer token. Only its SHA-256 digest is kept; the text is shown once, when it is made."""

    name = models.CharField(_("name"), max_length=100, unique=True)
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_token", verbose_name=_("account")
    )
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")

    def __str__(self) -> str:
        return self.name

    @staticmethod
    def generate() -> str:
        """A new token text with 256 bits of chance; the prefix lets secret scanners find it."""
        return f"strata_{secrets.token_urlsafe(32)}"

    @staticmethod
    def digest_of(token: str) -> str:
        return hashlib.sha256(token.encode()).hexdigest()


class IdempotentAnswer(models.Model):
    """The answer to a POST with an `Idempotency-Key`, kept for a day (cdp/api/idempotency.py). `body` is JSON text."""

    token = models.ForeignKey(ApiToken, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField()
    headers = JsonField(default=dict)
    body = models.TextField()
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name = _("answer to a repeated request")
        verbose_name_plural = _("answers to repeated requests")
        constraints = [models.UniqueConstraint(fields=["token", "key"], name="answer_token_key")]

    def __str__(self) -> str:
        return self.key


class RuleVersion(models.Model):
    """The rules that a holder such as `segment:loyal` had from a moment on, until its next version.

    `rules` is a list of `{"key", "name", "rule"}`, one for each of its values or tiers in their order; one with the key
    "" where it has a single rule. A rule of null takes everybody who is left.
    """

    holder = models.CharField(max_length=120)
    version = models.PositiveIntegerField(_("rule version"))
    rules = JsonField(_("rules"))
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("user")
    )
    at = models.DateTimeField(_("time"), auto_now_add=True)

    class Meta:
        verbose_name = _("rule version")
        verbose_name_plural = _("rule versions")
        constraints = [models.UniqueConstraint(fields=["holder", "version"], name="rule_version_holder")]

    def __str__(self) -> str:
        return f"{self.holder} {self.version}"


class RunQuerySet(models.QuerySet["Run"]):
    def unfinished(self) -> Self:
        return self.filter(state__in=UNFINISHED)


class Run(models.Model):
    """One piece of long work: what, who, how far, and how it ended. `cdp/runs.py` moves it along."""

    class State(models.TextChoices):
        QUEUED = "queued", _("Queued")
        RUNNING = "running", _("Running")
        SUCCEEDED = "succeeded", _("Succeeded")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    kind = models.CharField(_("kind"), max_length=50)
    subject = models.CharField(_("subject"), max_length=250, help_text=_("Key of what it works on."))
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, verbose_name=_("started by")
    )
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.QUEUED)
    done = models.BigIntegerField(_("done"), default=0)
    total = models.BigIntegerField(_("total"), null=True, blank=True)
    params = JsonField(_("parameters"), default=dict, blank=True)
    counts = JsonField(_("counts"), default=dict, blank=True)
    error = models.TextField(_("error"), blank=True)
    result_file = models.CharField(
        _("result file"),
        max_length=200,
        blank=True,
        db_default="",
        default="",
        help_text=_("Its name in the default storage."),
    )
    is_cancellable = models.BooleanField(_("can be cancelled"), db_default=False, default=False)
    cancel_asked_at = models.DateTimeField(_("asked to stop"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)

    objects = RunQuerySet.as_manager()

    class Meta:
        verbose_name = _("run")
        verbose_name_plural = _("runs")
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["kind", "subject", "-id"], name="run_subject"),
            models.Index(fields=["id"], name="run_unfinished", condition=models.Q(state__in=["queued", "running"])),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.subject}"

    @property
    def is_unfinished(self) -> bool:
        """Whether it is queued or under way."""
        return self.state in UNFINISHED

    @property
    def can_cancel(self) -> bool:
        """Whether asking it to stop still makes a difference."""
        return self.is_cancellable and self.is_unfinished and self.cancel_asked_at is None

    @property
    def has_result(self) -> bool:
        return bool(self.result_file)

    @property
    def percent(self) -> int | None:
        """Whole percent done, 0 to 100; None while the total is not known."""
        if self.state == self.State.SUCCEEDED:
            return 100
        return min(100, self.done * 100 // self.total) if self.total else None


UNFINISHED = (Run.State.QUEUED, Run.State.RUNNING)
