"""Dates and times of golden records, where an index finds them by what they are."""

from __future__ import annotations

from django.db import models


class ProfileMoment(models.Model):
    """The value that a profile has for an attribute which is a date or a time; written with the golden record.

    `at` of a date is its midnight in UTC, whatever the business zone. `month_day` is month × 100 + day, of a time those
    of its business day.
    """

    pk = models.CompositePrimaryKey("profile_id", "definition_id")
    profile = models.ForeignKey("profiles.Profile", on_delete=models.CASCADE, related_name="moments", db_index=False)
    definition = models.ForeignKey(
        "profiles.AttributeDefinition", on_delete=models.CASCADE, related_name="+", db_index=False
    )
    at = models.DateTimeField()
    month_day = models.SmallIntegerField()

    class Meta:
        verbose_name = "moment"
        indexes = [
            models.Index(fields=["definition", "at", "profile"], name="moment_at"),
            models.Index(fields=["definition", "month_day", "profile"], name="moment_month_day"),
        ]

    def __str__(self) -> str:
        return f"{self.profile_id} {self.definition_id}"
