"""What people had by rule, as a merge or a split took it from them, until the refresh has judged them."""

from __future__ import annotations

from django.db import models


class Inheritance(models.Model):
    """`origin` had this outcome of a holder, such as `segment:loyal`, since `since`. If the next judgement gives it to
    `profile`, who had none, then since that time.

    `profile` is the survivor of `origin`, or `origin` itself that lives again.
    """

    holder = models.CharField(max_length=120)
    profile = models.ForeignKey("profiles.Profile", on_delete=models.CASCADE, related_name="+")
    origin = models.ForeignKey("profiles.Profile", on_delete=models.CASCADE, related_name="+", db_index=False)
    outcome = models.BigIntegerField()
    since = models.DateTimeField()

    class Meta:
        verbose_name = "inheritance"

    def __str__(self) -> str:
        return f"{self.holder} {self.profile_id}"
