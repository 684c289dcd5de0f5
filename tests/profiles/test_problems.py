"""What is wrong with messages, in words that every reader understands."""

import pytest
from django.utils.translation import override

from profiles.ingest.message import MessageError, parse_message
from profiles.ingest.schemas import breaches
from profiles.models import IdentifierKind
from profiles.problems import in_words, reason_in_words
from tests.factories.profiles import SourceFactory
from tests.profiles.ingest.messages import START

BROKEN = [
    ({"type": "number"}, "Ann", 'is not of type "number"'),
    ({"type": ["number", "null"]}, "Ann", 'is not of types "null", "number"'),
    ({"enum": ["gold", 2]}, "Ann", 'is not one of "gold", 2'),
    ({"const": "gold"}, "Ann", 'is not "gold"'),
    ({"pattern": "^[a-z]+$"}, "Ann", 'does not match "^[a-z]+$"'),
    ({"minLength": 9}, "Ann", "is shorter than 9 characters"),
    ({"maxLength": 1}, "Ann", "is longer than 1 characters"),
    ({"format": "email"}, "Ann", "is not of the format email"),
    ({"minimum": 3}, 1, "is less than the minimum of 3"),
    ({"exclusiveMinimum": 3}, 1, "is less than or equal to the minimum of 3"),
    ({"maximum": 3}, 11, "is greater than the maximum of 3"),
    ({"exclusiveMaximum": 3}, 11, "is greater than or equal to the maximum of 3"),
    ({"multipleOf": 3}, 11, "is not a multiple of 3"),
    ({"minItems": 3}, ["Ann"], "has fewer than 3 items"),
    ({"maxItems": 0}, ["Ann"], "has more than 0 items"),
    ({"uniqueItems": True}, ["Ann", "Ann"], "holds the same item twice"),
    ({"contains": {"type": "number"}}, ["Ann"], "holds too few or too many items of the kind asked for"),
    ({"prefixItems": [{}], "unevaluatedItems": False}, [1, "Ann"], "holds items that are not in the schema"),
    ({"anyOf": [{"const": 1}, {"const": 2}]}, "Ann", "fits none of the alternatives, or more than it may"),
    ({"oneOf": [{}, {}]}, "Ann", "fits none of the alternatives, or more than it may"),
    ({"not": {}}, "Ann", "is what the schema rules out"),
    (False, "Ann", "is not in the schema"),
    ({"minProperties": 3}, {"Ann": 1}, "has fewer than 3 properties"),
    ({"maxProperties": 0}, {"Ann": 1}, "has more than 0 properties"),
    ({"propertyNames": {"maxLength": 2}}, {"Ann": 1}, "has a name that is longer than 2 characters"),
]


@pytest.mark.parametrize(("schema", "value", "problem"), BROKEN)
def test_a_problem_quotes_the_schema_alone_and_is_translated(schema, value, problem):
    (breach,) = breaches({"properties": {"a": schema}}, {"a": value}, root="properties")

    assert (breach.path, breach.problem) == ("properties.a", problem)
    with override("zh-hans"):
        said = in_words(problem)
    assert not any(word in said for word in problem.split() if len(word) > 1 and word.isalpha() and word != "email")


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        ('is not of type "number"', "应为数字"),
        ('is not of types "null", "string"', "应为以下之一：空值, 文本"),
        ("is not of the format date-time", "不符合格式“日期时间”"),
        ("is not of the format ipv6", "不符合格式“ipv6”"),
        ("does not fit its type, datetime", "不符合属性类型“日期和时间”"),
        ('has a name that is not of type "string"', "其中有属性名应为文本"),
        ('is not "number"', '应为 "number"'),  # a value that the schema names is no type
    ],
)
def test_types_and_formats_are_called_as_the_reader_calls_them(problem, said):
    with override("zh-hans"):
        assert in_words(problem) == said
    with override("en"):
        assert in_words(problem) == problem.replace("datetime", "date and time")


def test_a_reason_keeps_its_places_and_what_is_no_problem():
    reason = "properties.total: is missing; properties.a: is not 3; event 'Booked' is not a planned event"

    with override("zh-hans"):
        said = reason_in_words(reason)
        other = reason_in_words("somebody wrote this")

    with override("zh-hans"):
        assert reason_in_words("event 'Shop: Booked' is not a planned event") == "'Shop: Booked' 不是已规划的事件"
    assert said == "properties.total: 缺失; properties.a: 应为 3; 'Booked' 不是已规划的事件"
    assert other == "somebody wrote this"


def refusals():
    """A message for each way in which one can be no message."""
    track = {"type": "track", "messageId": "m1", "event": "Viewed", "userId": "u1"}
    yield {**track, "type": "sing"}
    yield {**track, "messageId": 1.5}
    yield {**track, "messageId": "m" * 201}
    yield {**track, "event": ""}
    yield {**track, "event": "$group"}
    yield {**track, "properties": "none"}
    yield {**track, "timestamp": "yesterday"}
    yield {**track, "timestamp": "2126-01-01T00:00:00Z"}
    yield {**track, "timestamp": "1926-01-01T00:00:00Z"}
    yield {**track, "userId": "null"}
    yield {**track, "context": {"externalIds": 3}}
    yield {**track, "context": {"externalIds": [3]}}
    yield {**track, "type": "alias"}
    yield {**track, "type": "group", "groupId": True}


@pytest.mark.django_db
@pytest.mark.parametrize("payload", list(refusals()), ids=str)
def test_a_refusal_is_told_in_the_language_of_the_reader(payload):
    kinds = {kind.key: kind for kind in IdentifierKind.objects.all()}

    with pytest.raises(MessageError) as refused:
        parse_message(payload, source=SourceFactory(), kinds=kinds, received_at=START, sent_at=None)

    with override("zh-hans"):
        assert any("一" <= letter <= "鿿" for letter in reason_in_words(str(refused.value)))
    with override("en"):
        assert reason_in_words(str(refused.value)) == str(refused.value)


def test_a_refusal_quotes_what_it_found():
    with override("zh-hans"):
        said = reason_in_words("type 'sing' is not taken; taken are identify, track")

    assert said == "不接受类型 'sing'；可用类型：identify, track"


def test_why_each_identifier_was_dropped_is_told_in_the_language_of_the_reader():
    reason = (
        "no identifier that can name anybody; userId: is neither a text nor a whole number; "
        "anonymousId: has more than 400 characters; context.externalIds (phone): does not have the form of its kind"
    )

    with override("zh-hans"):
        said = reason_in_words(reason)

    assert said == (
        "没有能识别客户的标识符; userId: 既不是文本也不是整数; anonymousId: 超过 400 个字符; "
        "context.externalIds (phone): 不符合该类型的格式"
    )
