"""Whose fault a database error is."""

import pytest
from django.db import DataError, InterfaceError, OperationalError
from psycopg import errors

from cdp.trouble import is_transient


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
        (raised_from(DataError("no number"), errors.InvalidTextRepresentation()), False),
        (ValueError("ours"), False),
    ],
    ids=str,
)
def test_only_what_passes_by_itself_is_transient(error, expected):
    assert is_transient(error) is expected
