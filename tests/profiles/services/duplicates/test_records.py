"""One spelling of a person."""

import pytest

from profiles.services.duplicates import engine
from profiles.services.duplicates.records import letters_of, split_name

pytestmark = pytest.mark.skipif(
    not engine.is_installed(), reason="the extra of requirements/duplicates.txt is not installed"
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("张伟", "Zhang Wei"),
        ("张伟", "WEI ZHANG"),
        ("张晓明", "Zhang, Xiao-Ming"),
        ("张晓明", "Zhang Xiao Ming"),
        ("张晓明", "Xiaoming Zhang"),
        ("曾志偉", "Zeng Zhiwei"),
        ("单小华", "Shan Xiaohua"),
        ("欧阳娜娜", "Nana Ouyang"),
        ("吕布", "Lü Bu"),
        ("张伟", "章玮"),
        ("Пётр Иванов", "Petr Ivanov"),
    ],
)
def test_one_name_in_two_scripts_has_the_same_letters(one, other):
    assert letters_of(*split_name(one)) == letters_of(*split_name(other))


@pytest.mark.parametrize(("one", "other"), [("张伟", "Zhang Wen"), ("张伟", "李伟"), ("Ann Olsen", "Anne Olsen")])
def test_other_names_have_other_letters(one, other):
    assert letters_of(*split_name(one)) != letters_of(*split_name(other))


def test_who_has_no_name_has_no_letters():
    assert letters_of(None, None) is None
