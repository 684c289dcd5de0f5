"""The keys of a person, and what is known of why they belong together."""

from __future__ import annotations

from collections.abc import Collection
from typing import Self

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from cdp.json_field import JsonField

# What Strata ships; messages and attributes speak of these kinds by their keys.
BUILT_IN_KINDS = frozenset(
    ["user_id", "wechat_unionid", "member_card", "phone", "email", "wechat_openid", "device_id", "anonymous_id"]
)


class IdentifierKind(models.Model):
    """A kind of key: how its values are normalised, and how far it is trusted to name one person."""

    key = models.SlugField(_("key"), max_length=50, unique=True)
    label = models.CharField(_("label"), max_length=100)
    normaliser = models.CharField(
        _("normaliser"), max_length=30, help_text=_("How its values are brought to one spelling.")
    )
    limit_per_profile = models.PositiveSmallIntegerField(
        _("limit per profile"), null=True, blank=True, help_text=_("Empty: as many as are seen.")
    )
    priority = models.PositiveSmallIntegerField(
        _("priority"), unique=True, help_text=_("The lowest number of a message's identifiers anchors it.")
    )
    is_personal = models.BooleanField(
        _("personal"),
        default=True,
        help_text=_("Belongs to a known person, and is masked for those who may not see it."),
    )
    blocked_values = ArrayField(
        models.CharField(max_length=200),
        verbose_name=_("blocked values"),
        default=list,
        blank=True,
        help_text=_("Normalised values that never name anybody, beside those blocked for every kind."),
    )

    class Meta:
        verbose_name = _("identifier kind")
        verbose_name_plural = _("identifier kinds")
        ordering = ["priority"]

    def __str__(self) -> str:
        return self.key

    @property
    def is_built_in(self) -> bool:
        return self.key in BUILT_IN_KINDS


class Identifier(models.Model):
    """One key of one person. It moves at a merge; contributions and events anchored on it follow.

    `origin` is the profile that it was written on, where a merge has moved it since; None: it is still there.
    """

    # Here and below the database checks no key that a lock of the batches guards already (docs/adr/0018).
    kind = models.ForeignKey(
        IdentifierKind,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("kind"),
        db_index=False,
        db_constraint=False,
    )
    value = models.CharField(_("value"), max_length=400)
    profile = models.ForeignKey(
        "profiles.Profile",
        on_delete=models.CASCADE,
        related_name="identifiers",
        verbose_name=_("profile"),
        db_constraint=False,
    )
    origin = models.ForeignKey(
        "profiles.Profile",
        null=True,
        editable=False,
        on_delete=models.DO_NOTHING,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    first_seen_at = models.DateTimeField(_("first seen"))
    import_id = models.IntegerField(
        null=True, editable=False, help_text=_("The import that made it, while nothing else has named it.")
    )

    class Meta:
        verbose_name = _("identifier")
        verbose_name_plural = _("identifiers")
        # With all that a batch asks of identifiers, so that it need not go from the index to the table for each.
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "value"],
                include=["id", "profile", "import_id", "first_seen_at"],
                name="identifier_kind_value_owner",
            )
        ]
        indexes = [
            models.Index(fields=["import_id"], name="identifier_import", condition=models.Q(import_id__isnull=False))
        ]

    def __str__(self) -> str:
        return f"{self.kind_id}:{self.value}"


class IdentityLink(models.Model):
    """The first message of a source that said that two identifiers are the same person; `left` < `right` by id."""

    left = models.ForeignKey(
        Identifier, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    right = models.ForeignKey(Identifier, on_delete=models.CASCADE, related_name="+", db_constraint=False)
    source = models.ForeignKey("profiles.Source", on_delete=models.PROTECT, related_name="+", db_constraint=False)
    message_id = models.CharField(max_length=200)
    occurred_at = models.DateTimeField()

    class Meta:
        verbose_name = _("identity link")
        verbose_name_plural = _("identity links")
        constraints = [
            # With the time, by which a batch tells that what its messages say is known.
            models.UniqueConstraint(
                fields=["left", "right", "source"], include=["occurred_at"], name="link_left_right_source_at"
            ),
            models.CheckConstraint(condition=models.Q(left__lt=models.F("right")), name="link_left_before_right"),
        ]

    def __str__(self) -> str:
        return f"{self.left_id}~{self.right_id}"


class IdentityConflictQuerySet(models.QuerySet["IdentityConflict"]):
    def open(self) -> Self:
        """Those to look at: undecided, between two people still. What a merge brought together is no conflict."""
        return self.filter(state=IdentityConflict.State.OPEN).exclude(anchor__profile=models.F("left_out__profile"))

    def naming(self, identifier_ids: Collection[int]) -> Self:
        """Those of which one of these identifiers is a side."""
        return self.filter(models.Q(anchor__in=identifier_ids) | models.Q(left_out__in=identifier_ids))


class IdentityConflict(models.Model):
    """Two identifiers of one message that a limit or a separation kept apart; one row a pair and reason, counted.

    `state` is what people decided; a settled one that messages bring again is open again, a dismissed one is not.
    """

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        DISMISSED = "dismissed", _("Dismissed")
        SETTLED = "settled", _("Settled")

    class Reason(models.TextChoices):
        LIMIT = "limit", _("Limit per profile")
        SEPARATION = "separation", _("Separation")

    anchor = models.ForeignKey(Identifier, on_delete=models.CASCADE, related_name="+", verbose_name=_("kept"))
    left_out = models.ForeignKey(Identifier, on_delete=models.CASCADE, related_name="+", verbose_name=_("left out"))
    reason = models.CharField(_("reason"), max_length=12, choices=Reason)
    kind = models.ForeignKey(
        IdentifierKind,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("kind whose limit binds"),
    )
    source = models.ForeignKey("profiles.Source", on_delete=models.PROTECT, related_name="+", verbose_name=_("source"))
    message_id = models.CharField(_("last message"), max_length=200)
    n_messages = models.PositiveIntegerField(_("messages"), default=1)
    first_at = models.DateTimeField(_("first"))
    last_at = models.DateTimeField(_("last"))
    state = models.CharField(
        _("state"), max_length=9, choices=State, default=State.OPEN, db_default=State.OPEN.value, editable=False
    )
    note = models.CharField(_("note"), max_length=500, blank=True, default="", db_default="")
    settled_at = models.DateTimeField(_("decided"), null=True, blank=True)
    settled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
        verbose_name=_("decided by"),
    )

    objects = IdentityConflictQuerySet.as_manager()

    class Meta:
        verbose_name = _("identity conflict")
        verbose_name_plural = _("identity conflicts")
        constraints = [
            models.UniqueConstraint(fields=["anchor", "left_out", "reason"], name="conflict_anchor_left_out_reason")
        ]
        indexes = [models.Index(fields=["id"], name="conflict_open", condition=models.Q(state="open"))]

    def __str__(self) -> str:
        return f"#{self.pk}"


class ProfileMerge(models.Model):
    """One profile absorbed by another: its cause, and all that undoing it needs.

    The merges that are not undone hang the absorbed below one another as a forest, whose roots are the people:
    `parent` is whom the absorbed hangs below, at first the survivor, or the profile that it went with when the survivor
    was taken apart (None is the survivor). Identifiers with an id above `last_identifier` came later.

    `identifiers` are the ids of those that moved; `absorbed_before` and `survivor_before` hold each profile as it was
    (`attributes`, `first_seen_at`, `last_seen_at`), and `repointed` the ids of profiles that pointed at the absorbed.
    """

    class Cause(models.TextChoices):
        MESSAGE = "message", _("Message")
        MANUAL = "manual", _("By hand")
        DUPLICATE = "duplicate", _("Accepted duplicate")

    survivor = models.ForeignKey(
        "profiles.Profile", on_delete=models.CASCADE, related_name="merges", verbose_name=_("survivor")
    )
    absorbed = models.ForeignKey(
        "profiles.Profile", on_delete=models.CASCADE, related_name="+", verbose_name=_("absorbed")
    )
    parent = models.ForeignKey(
        "profiles.Profile",
        null=True,
        editable=False,
        on_delete=models.DO_NOTHING,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    cause = models.CharField(_("cause"), max_length=10, choices=Cause)
    source = models.ForeignKey(
        "profiles.Source", null=True, blank=True, on_delete=models.PROTECT, related_name="+", verbose_name=_("source")
    )
    message_id = models.CharField(_("message"), max_length=200, blank=True)
    merged_at = models.DateTimeField(_("merged"))
    merged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
        verbose_name=_("merged by"),
    )
    identifiers = ArrayField(models.BigIntegerField(), verbose_name=_("identifiers"))
    last_identifier = models.BigIntegerField(null=True, editable=False)
    repointed = ArrayField(models.BigIntegerField(), verbose_name=_("repointed profiles"), default=list, blank=True)
    absorbed_before = JsonField(_("absorbed before"))
    survivor_before = JsonField(_("survivor before"))
    undone_at = models.DateTimeField(_("undone"), null=True, blank=True)
    undone_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
        verbose_name=_("undone by"),
    )

    class Meta:
        verbose_name = _("profile merge")
        verbose_name_plural = _("profile merges")
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["merged_at"], name="merge_by_hand", condition=~models.Q(cause="message")),
        ]

    def __str__(self) -> str:
        return f"{str(self.absorbed.public_id)[:8]} → {str(self.survivor.public_id)[:8]}"
