"""Keys made of names."""

from cdp.keys import free_key


def test_a_key_is_made_of_a_name_that_nothing_has_and_no_path_is():
    assert free_key("Gold & Silver", [], otherwise="tag") == "gold-silver"
    assert free_key("会员", ["tag", "tag-2"], otherwise="tag") == "tag-3"
    assert free_key("Changes", [], otherwise="tag") == "changes-2"
    assert len(free_key("a" * 100, ["a" * 40], otherwise="tag")) == 42
