"""Evidence in words."""

import pytest

from profiles.services.duplicates.model import COMPARISONS
from profiles.services.duplicates.words import FIELD_NAMES, LEVEL_WORDS, told


def test_every_step_of_every_field_has_words():
    assert {each.field for each in COMPARISONS} == set(FIELD_NAMES)
    assert {(each.field, level.key) for each in COMPARISONS for level in each.levels} == set(LEVEL_WORDS)


@pytest.mark.parametrize(
    ("weight", "tells"),
    [
        (10.8, "speaks strongly for"), (8, "speaks strongly for"), (3, "speaks for"), (0.5, "speaks a little for"),
        (0, "says little"), (-0.5, "says little"), (-0.6, "speaks against"), (-3.1, "speaks strongly against"),
    ],
)  # fmt: skip
def test_how_much_it_tells(weight, tells):
    assert str(told({"field": "phone", "level": "one_edit", "weight": weight}).tells) == tells
    assert str(told({"field": "phone", "level": "one_edit", "weight": weight}).says) == "phones differ in one digit"
