"""Whose fault a database error is: that of the work, or the server's, after which trying again helps."""

from django.db import InterfaceError, OperationalError

# Connection exceptions, a server that is shut down or starts, a serialization failure, a deadlock; no disk, memory or
# connection left.
TRANSIENT_STATES = ("08", "57P", "40001", "40P01", "53100", "53200", "53300")


def is_transient(error: BaseException) -> bool:
    """Whether the server was away or chose this transaction as a victim; a lost connection has no state at all."""
    if isinstance(error, InterfaceError):
        return True
    if not isinstance(error, OperationalError):
        return False
    state: str | None = getattr(error.__cause__, "sqlstate", None)
    return state is None or state.startswith(TRANSIENT_STATES)
