"""Whose fault a database error is: that of the work, or the server's, after which trying again helps."""

from django.db import InterfaceError, InternalError, OperationalError

# Connection exceptions, a server that is shut down or starts, one that may only be read since another took its place, a
# serialization failure, a deadlock; no disk, memory or connection left.
LOST_STATES = ("08", "57P")  # a connection that broke or was broken off: what it was asked last may be done or not
TRANSIENT_STATES = (*LOST_STATES, "25006", "40001", "40P01", "53100", "53200", "53300")


def is_transient(error: BaseException) -> bool:
    """Whether the server was away or chose this transaction as a victim."""
    return is_of(error, TRANSIENT_STATES)


def first_said(error: BaseException) -> str:
    """What is said of it first: below, PostgreSQL names values of the row, which are somebody's."""
    return str(error).partition("\n")[0]


def is_undecided(error: BaseException) -> bool:
    """Whether nobody knows if the transaction was committed: the server went while it was asked. One that answers with
    another error has rolled it back.
    """
    return is_of(error, LOST_STATES)


def is_of(error: BaseException, states: tuple[str, ...]) -> bool:
    """Whether it is an error of the server's with such a state; a lost connection has no state at all."""
    if isinstance(error, InterfaceError):
        return True
    if not isinstance(error, OperationalError | InternalError):
        return False
    state: str | None = getattr(error.__cause__, "sqlstate", None)
    return state is None or state.startswith(states)
