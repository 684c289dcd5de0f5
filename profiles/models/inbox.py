"""Messages on their way: accepted, seen, refused."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class InboxMessage(models.Model):
    """A message accepted and not yet processed, as its JSON text. Rows may double; `MessageKey` sorts them out.

    The database does not check the source row by row (a third of the COPY); `accept_messages` locks it once.
    """

    source = models.ForeignKey(
        "profiles.Source", on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    received_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    payload = models.TextField()

    class Meta:
        verbose_name = _("inbox message")
        verbose_name_plural = _("inbox messages")

    def __str__(self) -> str:
        return str(self.pk)


class MessageKey(models.Model):
    """A message that was processed: md5 of source and message id as a UUID. Its first copy fixed everything.

    `import_id` is the import that brought it, if one did: taken back, it can bring it again.
    """

    key = models.UUIDField(primary_key=True)
    import_id = models.IntegerField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["import_id"], name="message_key_import", condition=models.Q(import_id__isnull=False))
        ]

    def __str__(self) -> str:
        return str(self.key)


class RejectedMessage(models.Model):
    """A message that could not be taken, with its reason. Replayed, it goes back to the inbox as it came in."""

    class Code(models.TextChoices):
        INVALID = "invalid", _("Not understood")
        NOBODY = "nobody", _("Names nobody")
        UNPLANNED = "unplanned", _("Unplanned")
        SCHEMA = "schema", _("Breaks a schema")
        NO_ROOM = "no_room", _("Too many new events")
        FAILED = "failed", _("Processing failed")

    source = models.ForeignKey("profiles.Source", on_delete=models.CASCADE, related_name="+", verbose_name=_("source"))
    received_at = models.DateTimeField(_("received"))
    sent_at = models.DateTimeField(null=True, editable=False)
    rejected_at = models.DateTimeField(_("rejected"), auto_now_add=True)
    code = models.CharField(_("kind of reason"), max_length=10, choices=Code, default=Code.INVALID)
    reason = models.CharField(_("reason"), max_length=500)
    payload = models.TextField(_("message"))

    class Meta:
        verbose_name = _("rejected message")
        verbose_name_plural = _("rejected messages")
        ordering = ["-id"]
        indexes = [models.Index(fields=["rejected_at"], name="rejected_at")]

    def __str__(self) -> str:
        return f"#{self.pk}"  # the reason may quote personal data
