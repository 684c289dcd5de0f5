"""Mappings: every mistake by its place."""

import pytest

from profiles.imports.check import check, parse_mapping
from profiles.imports.errors import ImportFileError
from tests.profiles.imports.files import MEMBERS_MAPPING, SALES_MAPPING

pytestmark = pytest.mark.django_db
KINDS = {"member_card", "phone"}
BAD = [
    ([], "", "not a JSON object"),
    ({}, "identifiers", "missing: which columns say who it is?"),
    (MEMBERS_MAPPING | {"colour": 1}, "colour", "unknown key; known: identifiers, traits"),
    (MEMBERS_MAPPING | {"identifiers": {"Card": "carte"}}, "identifiers.Card", "unknown kind of identifier “carte”"),
    (
        MEMBERS_MAPPING | {"identifiers": {"Card": ["phone", "carte"]}},
        "identifiers.Card",
        "unknown kind of identifier “carte”",
    ),
    (MEMBERS_MAPPING | {"identifiers": {"Card": ["phone", 7]}}, "identifiers.Card", "needs a text"),
    (MEMBERS_MAPPING | {"identifiers": {"Card": []}}, "identifiers.Card", "needs a text"),
    ({"identifiers": {"Card": "member_card"}}, "", "it names nothing that a row says"),
    ({"identifiers": {"Card": "member_card"}, "event": "Visited"}, "time", "missing: events need a time"),
    (MEMBERS_MAPPING | {"properties": {"City": "city"}}, "properties", "needs an “event” to belong to"),
    (MEMBERS_MAPPING | {"value": "City"}, "value", "needs an “event” to belong to"),
    (MEMBERS_MAPPING | {"message_id": ["Card"]}, "message_id", "needs an “event” to belong to"),
    (MEMBERS_MAPPING | {"message_id": "Card"}, "message_id", "not a list of columns"),
    (MEMBERS_MAPPING | {"event": 7}, "event", "neither a name nor {“column”: …}"),
    (MEMBERS_MAPPING | {"event": "$identify"}, "event", "the name is kept for Strata's own events"),
    (MEMBERS_MAPPING | {"traits": ["Name"]}, "traits", "not an object of columns"),
    (MEMBERS_MAPPING | {"traits": {"Name": 7}}, "traits.Name", "needs a text, or an object with “key”"),
    (MEMBERS_MAPPING | {"traits": {"Name": "n" * 201}}, "traits.Name", "the key is over 200 characters"),
    (MEMBERS_MAPPING | {"traits": {"N": {"key": "n", "type": "colour"}}}, "traits.N.type", "“colour” is not known"),
    (
        MEMBERS_MAPPING | {"traits": {"N": {"key": "n", "format": "DD/MM/YYYY"}}},
        "traits.N.format",
        "only dates, datetimes",
    ),
    (
        MEMBERS_MAPPING | {"traits": {"N": {"key": "n", "type": "number", "format": "1 234,5"}}},
        "traits.N.format",
        "known: 1.234,5",
    ),
    (
        MEMBERS_MAPPING | {"traits": {"N": {"key": "n", "type": "date", "format": "day"}}},
        "traits.N.format",
        "“day” is no format of dates",
    ),
    (MEMBERS_MAPPING | {"traits": {"N": {"key": "n", "type": "date", "split": ","}}}, "traits.N.split", "only lists"),
    (MEMBERS_MAPPING | {"traits": {"N": {"key": "n", "values": []}}}, "traits.N.values", "not an object of words"),
    (MEMBERS_MAPPING | {"traits": {"N": {"key": "n", "trim": 1}}}, "traits.N.trim", "not true or false"),
    (MEMBERS_MAPPING | {"traits": {"N": {"key": "n", "empty": "x"}}}, "traits.N.empty", "“x” is not known"),
    (MEMBERS_MAPPING | {"traits": {"N": {"key": "n", "colour": "x"}}}, "traits.N.colour", "unknown key"),
    (MEMBERS_MAPPING | {"constants": {"traits": 1}}, "constants", "not an object of “traits” and “properties”"),
    (
        MEMBERS_MAPPING | {"constants": {"traits": {"n" * 201: 1}}},
        f"constants.traits.{'n' * 201}",
        "the key is over 200 characters",
    ),
    (MEMBERS_MAPPING | {"constants": {"colour": {}}}, "constants.colour", "unknown key; known: traits, properties"),
    (MEMBERS_MAPPING | {"consents": {"SMS": "fax"}}, "consents.SMS", "unknown channel “fax”; known: email, sms"),
    (MEMBERS_MAPPING | {"time": {}}, "time", "needs the name of a column"),
    (MEMBERS_MAPPING | {"time": {"constant": "soon"}}, "time.constant", "“soon” is not a time"),
    (MEMBERS_MAPPING | {"timezone": "../x"}, "timezone", "“../x” is no time zone"),
    (MEMBERS_MAPPING | {"timezone": "America"}, "timezone", "“America” is no time zone"),
    (MEMBERS_MAPPING | {"timezone": "x" * 300}, "timezone", "is no time zone"),
    (MEMBERS_MAPPING | {"constants": {"traits": {"shop": "Os\0lo"}}}, "", "holds a NUL character"),
    (MEMBERS_MAPPING | {"traits": {"Na\0me": "name"}}, "", "holds a NUL character"),
    (MEMBERS_MAPPING | {"encoding": "latin-1"}, "encoding", "“latin-1” is not known; known: utf-8, gb18030"),
    (MEMBERS_MAPPING | {"delimiter": ", "}, "delimiter", "is not one character"),
    (MEMBERS_MAPPING | {"format": "xml"}, "format", "“xml” is not known; known: csv, ndjson, parquet"),
    (MEMBERS_MAPPING | {"people": "some"}, "people", "“some” is not known; known: create, known"),
    (SALES_MAPPING | {"value": 7}, "value", "needs the name of a column"),
    (SALES_MAPPING | {"value": {"column": "Amount", "format": "1 234,5"}}, "value.format", "known: 1.234,5"),
    (SALES_MAPPING | {"value": {"column": "Amount", "format": 7}}, "value", "needs the name of a column"),
    (SALES_MAPPING | {"value": {"column": "Amount", "type": "number"}}, "value.type", "known: column, key, format"),
]


@pytest.mark.parametrize(("mapping", "path", "message"), BAD, ids=range(len(BAD)))
def test_a_mistake_is_named_by_its_place(mapping, path, message):
    parsed, problems = check(mapping, kinds=KINDS)

    assert parsed is None
    assert problems[0].path == path
    assert message in problems[0].message


def test_all_mistakes_are_named_at_once():
    mapping = {"identifiers": {"Card": "carte"}, "traits": {"Name": 7}, "timezone": "Mars", "colour": 1}

    _parsed, problems = check(mapping, kinds=KINDS)

    assert {problem.path for problem in problems} == {"identifiers.Card", "traits.Name", "timezone", "colour"}


def test_columns_must_be_in_the_file_and_only_once():
    columns = ["Card", "Phone", "Phone", "Name", "SMS", "Joined"]

    _parsed, problems = check(MEMBERS_MAPPING, kinds=KINDS, columns=columns)

    assert [(problem.path, problem.message) for problem in problems] == [
        ("traits.City", "the file has no column “City”; it has: Card, Phone, Name, SMS, Joined"),
        ("identifiers.Phone", "the file has 2 columns named “Phone”"),
    ]


def test_the_columns_of_an_open_file_may_be_missing_if_some_say_who_it_is():
    mapping = {"identifiers": {"Card": "member_card", "Phone": "phone"}, "traits": {"VIP": "vip"}}

    def paths(*columns):
        return [problem.path for problem in check(mapping, kinds=KINDS, columns=columns, is_open=True)[1]]

    assert paths("Phone") == []
    assert paths("VIP", "card") == ["identifiers.Card", "identifiers.Phone"]


def test_a_mapping_is_walked_as_often_whether_it_names_few_columns_or_many():
    """For each column anew, one of 2,000 columns took eight seconds."""

    class Walked(dict):
        n = 0

        def items(self):
            self.n += 1
            return super().items()

    walks = []
    for n_columns in (2, 200):
        names = [f"c{n}" for n in range(n_columns)]
        traits = Walked.fromkeys(names, "t")
        _parsed, problems = check(
            {"identifiers": {"Card": "member_card"}, "traits": traits}, kinds=KINDS, columns=["Card", *names[1:]]
        )
        assert [problem.path for problem in problems] == ["traits.c0"]
        walks.append(traits.n)

    assert walks[0] == walks[1]
    assert problems[0].message.endswith("c29 …")


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (["Card"], "the file has none of the columns “City”, “Joined”, “Name”, “Phone”, “SMS”; it has: Card"),
        (
            ["Card", "Phone", "Name", "SMS", "Joined"],
            "the file has no column “City”; it has: Card, Phone, Name, SMS, Joined",
        ),
        (
            ["Card", "Phone", "Phone", "Name", "SMS"],
            "the file has none of the columns “City”, “Joined”; it has: Card, Phone, Name, SMS"
            " · the file has 2 columns named “Phone”",
        ),
    ],
)
def test_a_file_that_does_not_fit_is_said_in_words_with_all_that_it_lacks(columns, said):
    with pytest.raises(ImportFileError) as raised:
        parse_mapping(MEMBERS_MAPPING, kinds=KINDS, columns=columns)

    assert str(raised.value) == said


def test_the_first_mistake_is_the_error():
    with pytest.raises(ImportFileError, match=r'^mapping, "traits": not an object of columns$'):
        parse_mapping(MEMBERS_MAPPING | {"traits": []}, kinds=KINDS)
