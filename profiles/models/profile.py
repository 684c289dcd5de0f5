"""A person."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Self

from django.contrib.postgres.indexes import OpClass
from django.db import models
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Left, Lower
from django.utils.translation import gettext_lazy as _

from cdp.json_field import JsonField

INDEXED_LENGTH = 100  # characters of a name


class ProfileQuerySet(models.QuerySet["Profile"]):
    def current(self) -> Self:
        """Profiles that stand for a person now: those neither merged into another nor erased."""
        return self.filter(merged_into__isnull=True, erased_at__isnull=True)

    def seen(self) -> Self:
        """With when they were last seen, by which they can be put in order by index: `-last_sight__at`, `-id`."""
        # Everybody was; that it is asked for makes the join an inner one, whose order the index has.
        return self.select_related("last_sight").filter(last_sight__isnull=False)

    def named(self, prefix: str) -> Self:
        """Profiles whose name starts with `prefix`, in any case; by index on a million rows.

        Of a longer prefix, the first `INDEXED_LENGTH` characters are looked for.
        """
        wanted = prefix.lower()[:INDEXED_LENGTH]
        return self.annotate(name_start=name_start()).filter(name_start__startswith=wanted)


def name_start() -> Left:
    """The expression under the index `profile_name`, which cannot take entries of more than a third of a page."""
    return Left(Lower(KeyTextTransform("name", "attributes")), INDEXED_LENGTH)


class Profile(models.Model):
    """A person, as all their identifiers together tell of them.

    A merged-away profile keeps its row: `merged_into` names the survivor directly, however many merges lie between. So
    does an erased one, of which nothing else is left: feeds that spoke of it can still name it.
    """

    public_id = models.UUIDField(_("profile id"), default=uuid.uuid4, unique=True, editable=False)
    attributes = JsonField(_("attributes"), default=dict, blank=True, help_text=_("The golden record."))
    first_seen_at = models.DateTimeField(_("first seen"))
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    merged_into = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="absorbed",
        verbose_name=_("merged into"),
        db_index=False,
    )

    erased_at = models.DateTimeField(_("erased"), null=True, editable=False)

    objects = ProfileQuerySet.as_manager()

    class Meta:
        verbose_name = _("profile")
        verbose_name_plural = _("profiles")
        permissions = [
            ("view_pii", _("Can see personal data unmasked")),
            ("merge_profile", _("Can merge and split profiles")),
        ]
        constraints = [
            models.CheckConstraint(condition=~models.Q(merged_into=models.F("id")), name="profile_not_into_itself"),
        ]
        indexes = [
            models.Index(fields=["first_seen_at"], name="profile_first_seen"),
            models.Index(fields=["created_at"], name="profile_created"),
            models.Index(OpClass(name_start(), name="text_pattern_ops"), name="profile_name"),
            models.Index(
                fields=["merged_into"], name="profile_merged_into", condition=models.Q(merged_into__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return str(self.public_id)

    @property
    def last_seen_at(self) -> datetime:
        """From `last_sight`, which whoever lists people loads with them."""
        return self.last_sight.at


class LastSight(models.Model):
    """When somebody was last seen, one row a profile: most messages change it, and nothing else of the profile.

    In a table of its own, since PostgreSQL writes into each index of a table whose row has a new value for any of them.
    Whoever writes it holds the identity lock.
    """

    profile = models.OneToOneField(
        Profile, primary_key=True, on_delete=models.CASCADE, related_name="last_sight", db_constraint=False
    )
    at = models.DateTimeField(_("last seen"))

    class Meta:
        verbose_name = _("last sight")
        verbose_name_plural = _("last sights")
        indexes = [models.Index(fields=["-at", "-profile"], name="last_sight_at")]

    def __str__(self) -> str:
        return f"{self.profile_id} {self.at:%Y-%m-%d %H:%M}"
