"""How far whatever is filled by rules has come."""

from __future__ import annotations

from django.db import models


class HolderClock(models.Model):
    """Up to when the passing of time was followed for a holder, such as `segment:loyal`, and what its nightly check
    found. `n_corrected` counts the moves of all checks, `n_corrected_last` those of the last, which ended at
    `checked_at`.

    `too_slow_since`: its rules took too long for a refresh by change or by clock. Only a full refresh, which may take
    longer, brings it up to date; whoever changes meanwhile is left to that.
    """

    holder = models.CharField(max_length=120, primary_key=True)
    clocked_at = models.DateTimeField()
    checked_at = models.DateTimeField(null=True)
    n_corrected = models.BigIntegerField(default=0)
    n_corrected_last = models.BigIntegerField(default=0)
    too_slow_since = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "clock of a holder"

    def __str__(self) -> str:
        return self.holder
