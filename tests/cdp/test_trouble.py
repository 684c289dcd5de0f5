"""Whose fault a database error is."""

import pytest
from django.db import DataError, InterfaceError, InternalError, OperationalError
from psycopg import errors

from cdp.trouble import is_transient, is_undecided


def raised_from(error, cause):
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (raised_from(OperationalError("gone"), errors.OperationalError("server closed the connection")), True),
        (raised_from(OperationalError("stopped"), errors.AdminShutdown()), True),
        (raised_from(OperationalError("starts"), errors.CannotConnectNow()), True),
        (raised_from(OperationalError("victim"), errors.DeadlockDetected()), True),
        (InterfaceError("the connection is closed"), True),
        (raised_from(OperationalError("too slow"), errors.QueryCanceled()), False),
        (raised_from(OperationalError("full"), errors.DiskFull()), True),
        (raised_from(InternalError("to be read only"), errors.ReadOnlySqlTransaction()), True),
        (raised_from(InternalError("broken off before"), errors.InFailedSqlTransaction()), False),
        (raised_from(DataError("no number"), errors.InvalidTextRepresentation()), False),
        (ValueError("ours"), False),
    ],
    ids=str,
)
def test_only_what_passes_by_itself_is_transient(error, expected):
    assert is_transient(error) is expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (raised_from(OperationalError("gone"), errors.OperationalError("server closed the connection")), True),
        (raised_from(OperationalError("stopped"), errors.AdminShutdown()), True),
        (InterfaceError("the connection is closed"), True),
        (raised_from(OperationalError("waited"), errors.LockNotAvailable()), False),
        (raised_from(OperationalError("victim"), errors.DeadlockDetected()), False),
        (raised_from(OperationalError("too slow"), errors.QueryCanceled()), False),
        (ValueError("ours"), False),
    ],
    ids=str,
)
def test_an_error_of_a_server_that_is_there_has_rolled_back(error, expected):
    assert is_undecided(error) is expected
