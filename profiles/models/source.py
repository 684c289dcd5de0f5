"""Where messages come from."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Self

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from phonenumbers import SUPPORTED_REGIONS

from profiles.public_keys import check_public_keys, public_keys

STRATA = "strata"  # key of the built-in source of computed values
MAX_RANK = 32_767
DEFAULT_REGION = "CN"  # of phone numbers that come from no source, such as in a search


def new_write_key() -> str:
    return secrets.token_urlsafe(24)


def check_region(region: str) -> None:
    """Raises ValidationError where no phone numbers are known of it: all of them would be dropped."""
    if region not in SUPPORTED_REGIONS:
        raise ValidationError(_("Two capital letters of a country with phone numbers, such as CN or GB."))


class SourceQuerySet(models.QuerySet["Source"]):
    def with_write_key(self, key: str, *, now: datetime) -> Self:
        """The enabled source that `key` lets collect: its write key, or the one before, as long as that is good."""
        previous = Q(previous_write_key=key, previous_write_key_until__gt=now)
        return self.filter(Q(write_key=key) | previous, is_enabled=True)


class Handling(models.TextChoices):
    """What becomes of a message that holds something unplanned."""

    ALLOW = "allow", _("Allow")
    FLAG = "flag", _("Allow and count")
    REJECT = "reject", _("Reject")


class Source(models.Model):
    """A shop, app, till or file that sends messages; its write key lets it collect and nothing else."""

    class Kind(models.TextChoices):
        WEB = "web", _("Website")
        APP = "app", _("App")
        SERVER = "server", _("Server")
        TILL = "till", _("Till")
        WECHAT = "wechat", _("WeChat")
        FILE = "file", _("File")
        BUILT_IN = "built_in", _("Built in")

    key = models.SlugField(_("key"), max_length=50, unique=True)
    name = models.CharField(_("name"), max_length=100)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind, default=Kind.SERVER)
    write_key = models.CharField(_("write key"), max_length=64, unique=True, default=new_write_key, editable=False)
    previous_write_key = models.CharField(max_length=64, default="", editable=False)
    previous_write_key_until = models.DateTimeField(_("the key before is good until"), null=True, editable=False)
    oauth_public_keys = models.TextField(
        _("public keys for OAuth"),
        default="",
        blank=True,
        max_length=10_000,
        validators=[check_public_keys],
        help_text=_(
            "RSA keys in PEM of programs that sign in by OAuth, one below the other. A key that is taken out here "
            "ends what it was used for. Empty: the write key is all that a program needs."
        ),
    )
    rank = models.PositiveSmallIntegerField(
        _("rank"), default=100, help_text=_("The higher rank wins where two sources say something at the same time.")
    )
    default_region = models.CharField(
        _("default region"),
        max_length=2,
        default=DEFAULT_REGION,
        validators=[check_region],
        help_text=_("Country of phone numbers written without a country code."),
    )
    previous_id_kind = models.ForeignKey(
        "profiles.IdentifierKind",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("kind of previous ids"),
        help_text=_("What an alias message names as the previous id. Empty: an anonymous id."),
    )
    max_messages_per_second = models.PositiveIntegerField(
        _("rate limit"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("Messages a second over HTTP, on average; more are asked to come later. Empty: as many as come."),
    )
    unplanned_events = models.CharField(
        _("unplanned events"),
        max_length=6,
        choices=Handling,
        default=Handling.ALLOW,
        help_text=_("Messages with an event that nobody has planned."),
    )
    unplanned_attributes = models.CharField(
        _("unplanned attributes"),
        max_length=6,
        choices=Handling,
        default=Handling.ALLOW,
        help_text=_("Messages with a trait that nobody has planned as an attribute."),
    )
    schema_violations = models.CharField(
        _("violations of schemas"),
        max_length=6,
        choices=Handling,
        default=Handling.ALLOW,
        help_text=_("Messages whose properties break the JSON Schema of their event."),
    )
    is_enabled = models.BooleanField(_("enabled"), default=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    objects = SourceQuerySet.as_manager()

    class Meta:
        verbose_name = _("source")
        verbose_name_plural = _("sources")
        ordering = ["key"]

    def __str__(self) -> str:
        return self.name

    @property
    def oauth_keys(self) -> Mapping[str, RSAPublicKey]:
        """By key id, in the order of the text. The client id that goes with them is the source's key."""
        return public_keys(self.oauth_public_keys)

    @property
    def is_checked(self) -> bool:
        """Whether its messages are compared with what was planned."""
        handlings = (self.unplanned_events, self.unplanned_attributes, self.schema_violations)
        return any(handling != Handling.ALLOW for handling in handlings)


class SourceDay(models.Model):
    """What became of a source's messages on one business day, by when they were processed; written by each batch."""

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="days")
    day = models.DateField(_("day"))
    last_message_at = models.DateTimeField(null=True)
    n_messages = models.BigIntegerField(_("messages"), default=0)
    n_duplicates = models.BigIntegerField(_("sent again"), default=0)
    n_rejected = models.BigIntegerField(pgettext_lazy("of messages", "rejected"), default=0)
    n_blocked = models.BigIntegerField(_("identifiers dropped"), default=0)
    n_odd_traits = models.BigIntegerField(_("traits not understood"), default=0)
    n_events = models.BigIntegerField(_("events"), default=0)
    n_merges = models.BigIntegerField(_("merges"), default=0)

    class Meta:
        verbose_name = _("day of a source")
        verbose_name_plural = _("days of sources")
        constraints = [models.UniqueConstraint(fields=["source", "day"], name="source_day")]

    def __str__(self) -> str:
        return f"{self.source_id} {self.day}"


COUNTERS = tuple(field.name for field in SourceDay._meta.fields if field.name.startswith("n_"))
