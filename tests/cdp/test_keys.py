"""Keys made of names."""

from types import SimpleNamespace

import pytest

from cdp.keys import free_key, give_keys


def test_a_key_is_made_of_a_name_that_nothing_has_and_no_path_is():
    assert free_key("Gold & Silver", [], otherwise="tag") == "gold-silver"
    assert free_key("Золото", ["tag", "tag-2"], otherwise="tag") == "tag-3"
    assert free_key("Changes", [], otherwise="tag") == "changes-2"
    assert len(free_key("a" * 100, ["a" * 40], otherwise="tag")) == 42


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("金卡会员", "jin-ka-hui-yuan"),
        ("重庆VIP（新）", "chong-qing-vip-xin"),
        ("银行 Gold+", "yin-hang-gold"),
        ("3月新客", "3-yue-xin-ke"),
        ("女", "nv"),
        ("。", "tag"),
    ],
)
def test_a_chinese_name_makes_a_key_of_its_pinyin_as_the_word_is_read(name, key):
    assert free_key(name, [], otherwise="tag") == key


def test_a_long_name_is_cut_between_words():
    assert (
        free_key("最近九十天内购买过两次以上的高价值客户", [], otherwise="tag")
        == "zui-jin-jiu-shi-tian-nei-gou-mai-guo"
    )


def test_parts_without_a_key_get_one_that_no_other_has():
    parts = [SimpleNamespace(key=key, name=name) for key, name in (("", "金"), ("jin", "Jin"), ("", "Silver"))]

    give_keys(parts, otherwise="value")

    assert [part.key for part in parts] == ["jin-2", "jin", "silver"]
