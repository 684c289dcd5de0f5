"""The kinds of identifiers as a batch of messages finds them."""

from __future__ import annotations

from cdp.locks import advisory_lock, shared_lock
from profiles.models import IdentifierKind

KINDS = "identifier kinds"


def load_kinds() -> dict[str, IdentifierKind]:
    """Kinds by key, as they stay until the end of the open transaction; to be called before any other lock is taken.

    A batch that normalised by one kind must not write by another, or into one that is gone.
    """
    shared_lock(KINDS)
    return {kind.key: kind for kind in IdentifierKind.objects.all()}


def lock_kinds() -> None:
    """Wait for the batches that know the kinds as they are, and keep new ones waiting until the transaction ends."""
    advisory_lock(KINDS)
