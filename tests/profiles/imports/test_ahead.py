"""What is read ahead comes in the same batches, whenever it is read."""

import pytest

from profiles.imports.ahead import PIECE, ReadAhead

SIZE = 4 * PIECE


def items(n, *, error=None):
    yield from range(n)
    if error is not None:
        raise error


def read_all_ahead(ahead):
    while ahead.read_some():
        pass


@pytest.mark.parametrize("n", [0, 1, PIECE, SIZE, SIZE + PIECE, 3 * SIZE + 1])
@pytest.mark.parametrize("reads_ahead", [False, True], ids=["asked", "ahead"])
def test_batches_have_all_items_in_their_order(n, reads_ahead):
    ahead = ReadAhead(items(n), SIZE)
    found = []
    for batch in ahead:
        found.append(batch)
        if reads_ahead:
            read_all_ahead(ahead)

    assert [item for batch in found for item in batch] == [*range(n)]
    assert [len(batch) for batch in found[:-1]] == [PIECE, SIZE, SIZE, SIZE][: max(0, len(found) - 1)]


def test_no_more_is_read_ahead_than_a_batch():
    ahead = ReadAhead(items(10 * SIZE), SIZE)
    next(ahead)

    read_all_ahead(ahead)

    assert len(ahead.ready) == SIZE


@pytest.mark.parametrize("reads_ahead", [False, True], ids=["asked", "ahead"])
def test_an_error_comes_with_the_batch_that_it_breaks(reads_ahead):
    ahead = ReadAhead(items(PIECE + SIZE + 1, error=ValueError("line 51")), SIZE)

    assert len(next(ahead)) == PIECE
    if reads_ahead:
        read_all_ahead(ahead)
    assert len(next(ahead)) == SIZE
    with pytest.raises(ValueError, match="line 51"):
        next(ahead)


def test_closing_ends_the_reading():
    ended = []

    def endless():
        try:
            while True:
                yield 1
        finally:
            ended.append(True)

    ahead = ReadAhead(endless(), SIZE)
    next(ahead)

    ahead.close()

    assert ended == [True]
