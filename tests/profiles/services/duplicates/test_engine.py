"""What may be learnt."""

import pytest

from profiles.services.duplicates.engine import makes_sense


@pytest.mark.parametrize(
    ("shares", "is_sensible"),
    [
        ([(0.34, 0.0002), (0.58, 0.01), (0.08, 0.99)], True),
        # A million people who share a birthday: nearly all are strangers, whom the method took for duplicates.
        ([(0.016, 0.00003), (0.045, 0.045), (0.939, 0.954)], False),
        ([(0.02, 0.03), (0.5, 0.01), (0.48, 0.96)], False),
        ([(0.34, 0.0002), (None, 0.01), (0.08, 0.99)], False),
        ([(0.34, None), (0.58, 0.01), (0.08, 0.99)], False),
    ],
)
def test_duplicates_are_more_alike_than_strangers(shares, is_sensible):
    assert makes_sense(shares) is is_sensible
