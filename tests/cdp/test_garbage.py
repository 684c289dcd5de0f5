"""When Python looks for garbage."""

from __future__ import annotations

import gc

import pytest

from cdp.garbage import garbage_waits


def test_within_nothing_is_looked_for_and_behind_it_is_again():
    with garbage_waits():
        with garbage_waits():
            assert not gc.isenabled()
        assert not gc.isenabled()

    assert gc.isenabled()


def test_an_error_within_leaves_the_collector_on():
    with pytest.raises(KeyError), garbage_waits():
        raise KeyError

    assert gc.isenabled()
