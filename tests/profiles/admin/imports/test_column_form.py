"""The form of the columns says what the mapping said, and the other way round."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.admin.imports.column_form import StateError, mapping_of, state_of

COLUMNS = ["姓名", "手机号", "会员卡号", "金额", "时间", "备注"]
column, word = st.sampled_from(COLUMNS), st.text(min_size=1, max_size=5).map(str.strip).filter(bool)
typed = st.fixed_dictionaries(
    {"key": word}, optional={"type": st.sampled_from(["text", "number", "date"]), "format": word, "split": word}
).filter(lambda said: len(said) > 1)
constants = st.fixed_dictionaries(
    {},
    optional={name: st.dictionaries(word, st.text() | st.integers(), min_size=1) for name in ("traits", "properties")},
).filter(bool)
mappings = st.fixed_dictionaries(
    {},
    optional={
        "identifiers": st.dictionaries(column, word | st.lists(word, min_size=2, unique=True), min_size=1),
        "traits": st.dictionaries(column, word | typed, min_size=1),
        "consents": st.dictionaries(
            column, word | st.fixed_dictionaries({"key": word, "values": st.just({"好": True})}), min_size=1
        ),
        "properties": st.dictionaries(column, word | typed, min_size=1),
        "event": word | st.fixed_dictionaries({"column": column}),
        "time": column
        | st.fixed_dictionaries({"column": column, "format": word})
        | st.fixed_dictionaries({"constant": word}),
        "value": column
        | st.fixed_dictionaries({"column": column}, optional={"key": word, "format": word}).filter(
            lambda said: len(said) > 1
        ),
        "message_id": st.lists(column, min_size=1, unique=True).map(lambda names: sorted(names, key=COLUMNS.index)),
        "timezone": word,
        "people": st.sampled_from(["known", "create"]),
        "constants": constants,
        "encoding": st.just("gb18030"),
        "tags": st.just([{"tag": "vip"}]),
    },
)  # fmt: skip


@given(mappings)
def test_the_form_says_what_the_mapping_said(mapping):
    assert mapping_of(state_of(mapping, COLUMNS)) == mapping


def test_each_column_of_the_file_stands_in_the_form_and_those_that_it_lacks_come_last():
    state = state_of({"identifiers": {"Mobile": "phone"}, "message_id": ["姓名"]}, ["姓名", "金额"])

    assert [(column["name"], [use["as"] for use in column["uses"]]) for column in state["columns"]] == [
        ("姓名", ["message_id"]),
        ("金额", []),
        ("Mobile", ["identifier"]),
    ]


def use(as_, key=""):
    return {"as": as_, "key": key, "type": "", "format": "", "more": {}}


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ([{"name": "a", "uses": [use("trait", "x"), use("trait", "y")]}], "becomes two things of one kind"),
        ([{"name": "a", "uses": [use("time")]}, {"name": "b", "uses": [use("time")]}], "Two columns are the time"),
        ([{"name": "a", "uses": [use("no such")]}], "reload the page"),
        ([{"name": 7}], "reload the page"),
        ("", "reload the page"),
        ([{"name": "a", "uses": [None]}], "reload the page"),
    ],
)
def test_a_form_that_says_two_things_or_nonsense_is_refused(columns, words):
    with pytest.raises(StateError, match=words):
        mapping_of({"columns": columns})


def test_a_time_in_a_column_and_for_all_rows_is_refused():
    columns = [{"name": "a", "uses": [use("time")]}]

    with pytest.raises(StateError, match="the same for all rows"):
        mapping_of({"columns": columns, "time": "2026-01-01"})


def test_what_is_left_open_is_left_out():
    assert (
        mapping_of({"columns": [{"name": "a", "uses": [use("")]}], "constants": [{"in": "traits", "key": " "}]}) == {}
    )
