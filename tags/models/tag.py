"""A label, its values, and who carries it."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Self

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from cdp.rules.days import TICK, business_day
from cdp.rules.field import RuleField


class TagQuerySet(models.QuerySet["Tag"]):
    def active(self) -> Self:
        """Those in use: neither drafts nor archived."""
        return self.filter(lifecycle=Tag.Lifecycle.ACTIVE)

    def current(self) -> Self:
        """Those that lists and rules know: all but the archive."""
        return self.exclude(lifecycle=Tag.Lifecycle.ARCHIVED)


class Tag(models.Model):
    """A label. A rule tag has either one `rule`, or ordered values with a rule each, of which the first match wins; the
    values of one by score are bands of it, kept as such rules. One by import is filled by files, and by no hand.

    A draft is not filled, an active one is kept fresh; an archived one stays as it is, and nothing speaks of it.
    """

    class Kind(models.TextChoices):
        MANUAL = "manual", _("By hand")
        RULE = "rule", _("By rule")
        SCORE = "score", _("By score")
        IMPORTED = "imported", _("By import")

    class Lifecycle(models.TextChoices):
        DRAFT = "draft", _("Draft")
        ACTIVE = "active", _("Active")
        ARCHIVED = "archived", _("Archived")

    key = models.SlugField(_("key"), max_length=50, unique=True)
    name = models.CharField(_("name"), max_length=100)
    kind = models.CharField(_("kind"), max_length=8, choices=Kind, default=Kind.MANUAL)
    lifecycle = models.CharField(
        _("lifecycle"),
        max_length=8,
        choices=Lifecycle,
        default=Lifecycle.ACTIVE,
        db_default=Lifecycle.ACTIVE.value,
        help_text=_("A draft is not filled: its page shows whom it would mark."),
    )
    category = models.CharField(_("category"), max_length=50, blank=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("owner"),
        help_text=_("Whom colleagues ask about it."),
    )
    description = models.TextField(_("description"), blank=True)
    rule = RuleField(_("rule"), null=True, blank=True)
    expires_after_days = models.PositiveSmallIntegerField(
        _("expires after days"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(3_650)],
        help_text=_("How long an assignment by hand lasts unless it says otherwise. Empty: without end."),
    )
    rule_version = models.PositiveIntegerField(_("rule version"), default=1, editable=False)
    refreshed_at = models.DateTimeField(_("last full refresh"), null=True, editable=False)
    refresh_error = models.TextField(_("refresh error"), blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    objects = TagQuerySet.as_manager()

    class Meta:
        verbose_name = _("tag")
        verbose_name_plural = _("tags")
        ordering = ["key"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(kind="rule") | models.Q(rule__isnull=True), name="tag_by_hand_without_rule"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_by_rule(self) -> bool:
        """Whether rules fill it: its own, or those that bands of a score are."""
        return self.kind in FILLED_BY_RULE

    def end_of(self, assigned_at: datetime) -> datetime | None:
        """When an assignment ends that says nothing of its end; None: never."""
        return None if self.expires_after_days is None else assigned_at + timedelta(days=self.expires_after_days)


FILLED_BY_RULE = (Tag.Kind.RULE, Tag.Kind.SCORE)
FILLED_BY_FILES = (Tag.Kind.MANUAL, Tag.Kind.IMPORTED)


class TagValue(models.Model):
    """One value of a tag, such as `gold` of `card`; `position` orders their rules."""

    tag = models.ForeignKey(Tag, on_delete=models.CASCADE, related_name="values", verbose_name=_("tag"))
    key = models.SlugField(_("key"), max_length=50)
    name = models.CharField(_("name"), max_length=100)
    position = models.PositiveSmallIntegerField(_("position"), default=0)
    rule = RuleField(_("rule"), null=True, blank=True)

    class Meta:
        verbose_name = _("tag value")
        verbose_name_plural = _("tag values")
        ordering = ["tag", "position", "id"]
        constraints = [models.UniqueConstraint(fields=["tag", "key"], name="tag_value_tag_key")]

    def __str__(self) -> str:
        return self.name


class TagAssignmentQuerySet(models.QuerySet["TagAssignment"]):
    def live(self, now: datetime) -> Self:
        """Assignments in force at `now`; `expires_at` is exclusive, NULL means never."""
        return self.filter(models.Q(expires_at__isnull=True) | models.Q(expires_at__gt=now))


class TagAssignment(models.Model):
    """A tag on a profile. `origin` is the profile it was written on by hand, before any merge.

    `is_ended`: its end has passed, and the history says so. It is kept for a while, for rules that follow time later.
    """

    tag = models.ForeignKey(Tag, on_delete=models.CASCADE, related_name="assignments", verbose_name=_("tag"))
    value = models.ForeignKey(
        TagValue, null=True, blank=True, on_delete=models.CASCADE, related_name="+", verbose_name=_("value")
    )
    profile = models.ForeignKey(
        "profiles.Profile", on_delete=models.CASCADE, related_name="tag_assignments", verbose_name=_("profile")
    )
    origin = models.ForeignKey(
        "profiles.Profile", null=True, on_delete=models.CASCADE, related_name="+", editable=False
    )
    assigned_at = models.DateTimeField(_("assigned"))
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    assigned_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("assigned by"),
    )
    import_id = models.IntegerField(
        null=True, editable=False, help_text=_("The import that assigned it, while nothing else has.")
    )
    is_ended = models.BooleanField(default=False, db_default=False, editable=False)

    objects = TagAssignmentQuerySet.as_manager()

    class Meta:
        verbose_name = _("tag assignment")
        verbose_name_plural = _("tag assignments")
        constraints = [models.UniqueConstraint(fields=["tag", "profile"], name="assignment_tag_profile")]
        indexes = [
            models.Index(fields=["tag", "value", "profile"], name="assignment_tag_value"),
            models.Index(
                fields=["tag", "expires_at"], name="assignment_expires", condition=models.Q(expires_at__isnull=False)
            ),
            models.Index(fields=["import_id"], name="assignment_import", condition=models.Q(import_id__isnull=False)),
            models.Index(
                fields=["is_ended", "expires_at"],
                name="assignment_ended",
                condition=models.Q(expires_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tag_id} {self.profile_id}"

    @property
    def last_day(self) -> date | None:
        """The last business day on which it is in force; None: it never ends."""
        return None if self.expires_at is None else business_day(self.expires_at - TICK)


class DisplacedTag(models.Model):
    """An assignment by hand that gave way, as profiles merged, to a later one of the same tag.

    It comes back when its person is taken apart, unless somebody took the tag off meanwhile. `profile` is who the
    person is now, `origin` the profile it was written on.
    """

    tag = models.ForeignKey(Tag, on_delete=models.CASCADE, related_name="+")
    value = models.ForeignKey(TagValue, null=True, on_delete=models.CASCADE, related_name="+", db_index=False)
    profile = models.ForeignKey("profiles.Profile", on_delete=models.CASCADE, related_name="+")
    origin = models.ForeignKey("profiles.Profile", on_delete=models.CASCADE, related_name="+")
    assigned_at = models.DateTimeField(_("assigned"))
    expires_at = models.DateTimeField(_("expires"), null=True)
    assigned_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    import_id = models.IntegerField(null=True)

    class Meta:
        verbose_name = _("displaced tag")
        verbose_name_plural = _("displaced tags")
        indexes = [
            models.Index(fields=["import_id"], name="displaced_import", condition=models.Q(import_id__isnull=False))
        ]

    def __str__(self) -> str:
        return f"{self.tag_id} {self.profile_id}"
