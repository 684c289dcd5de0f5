"""Addresses that are not written to: put on the list and taken off by hand or over the API, each with its reason."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import connection, transaction
from django.utils.translation import gettext as _

from campaigns.models import Suppression
from cdp.audit import write_addition, write_deletion
from cdp.models import User
from profiles.identity.normalise import spell
from profiles.models import IdentifierKind
from profiles.models.source import DEFAULT_REGION

MAX_REASON = 200


class SuppressionError(ValueError):
    """What cannot be put on or taken off the list; `field` is what is wrong."""

    def __init__(self, field: str, message: str) -> None:
        self.field = field
        super().__init__(message)


def suppress_address(
    kind: IdentifierKind, written: str, *, channel: str, reason: str, user: User, now: datetime
) -> tuple[Suppression, bool]:
    """Put an address on the list, of `channel` or, where that is "", of all; and whether it is new there.

    One that a file had put there stays from now on when that import is taken back; its reason stays as it was.

    Raises:
        SuppressionError: the address is none of its kind, the channel is unknown, or the reason is missing or too long.
    """
    value = None if "\0" in written else spell(kind.normaliser, written, DEFAULT_REGION)
    if value is None:
        raise SuppressionError("value", _("is not of the kind %s") % _(kind.label))
    if channel and channel not in settings.CONSENT_CHANNELS:
        known = ", ".join(settings.CONSENT_CHANNELS)
        raise SuppressionError("channel", _("unknown channel; known: %s") % known)
    reason = checked(reason)
    with transaction.atomic():
        suppression, is_new = write(kind, value, channel=channel, reason=reason, user=user, now=now)
        if is_new:
            write_addition(user, suppression, said_of(suppression))
    return suppression, is_new


def write(
    kind: IdentifierKind, value: str, *, channel: str, reason: str, user: User, now: datetime
) -> tuple[Suppression, bool]:
    """The row and whether it is new, in one statement: the import that wrote it may be taken back at this moment."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO campaigns_suppression (kind_id, value, channel, reason, user_id, created_at)
            VALUES (%s, %s, %s, %s, %s, %s)
            ON CONFLICT (kind_id, value, channel) DO UPDATE SET import_id = NULL
            RETURNING id, xmax = 0
            """,
            [kind.pk, value, channel, reason, user.pk, now],
        )
        pk, is_new = cursor.fetchone()
    return Suppression.objects.select_related("kind", "source", "user").get(pk=pk), is_new


def lift_suppression(suppression: Suppression, *, reason: str, user: User) -> None:
    """Take an address off the list: what is due to it from now on is sent. Who did and why stays in the log.

    Raises:
        SuppressionError: the reason is missing or too long.
    """
    reason = checked(reason)
    with transaction.atomic():
        write_deletion(user, suppression, said_of(suppression), becomes={"reason": reason})
        suppression.delete()


def checked(reason: str) -> str:
    stripped = reason.strip()
    if not stripped:
        raise SuppressionError("reason", _("is missing: somebody will ask why"))
    if len(stripped) > MAX_REASON:
        raise SuppressionError("reason", _("is longer than %d characters") % MAX_REASON)
    return stripped


def said_of(suppression: Suppression) -> dict[str, str]:
    """What the audit keeps: no address, and the reason for those who may see one."""
    return {"kind": suppression.kind.key, "channel": suppression.channel, "reason": suppression.reason}
