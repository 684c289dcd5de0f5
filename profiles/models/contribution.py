"""What each source last said of each attribute."""

from __future__ import annotations

from django.db import models

from cdp.json_field import JsonField


class Contribution(models.Model):
    """The last value that a source gave an attribute, for the identifier that anchored its message.

    The profile is the anchor's. `value` is of the definition's type where `fits`, else as it came and not folded.
    `kept` is what the definition's survivorship needs beside it (profiles/ingest/survivorship.py), else NULL.
    """

    # Its index would be the beginning of the constraint's.
    anchor = models.ForeignKey(
        "profiles.Identifier",
        on_delete=models.CASCADE,
        related_name="contributions",
        db_index=False,
        db_constraint=False,
    )
    source = models.ForeignKey("profiles.Source", on_delete=models.PROTECT, related_name="+", db_constraint=False)
    definition = models.ForeignKey(
        "profiles.AttributeDefinition", on_delete=models.CASCADE, related_name="+", db_constraint=False
    )
    value = JsonField(null=True)
    fits = models.BooleanField(default=True)
    occurred_at = models.DateTimeField()
    message_id = models.CharField(max_length=200)
    kept = JsonField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["anchor", "source", "definition"], name="contribution_anchor_source_definition"
            )
        ]

    def __str__(self) -> str:
        return f"{self.anchor_id} {self.source_id} {self.definition_id}"
