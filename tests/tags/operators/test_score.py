"""The operator `score`: fields by the type that their model declares."""

import pytest

from cdp.rules.describe import describe_rule
from cdp.rules.errors import RuleError
from cdp.rules.parse import parse_rule
from cdp.rules.types import ValueType
from tags import score_models
from tags.score_models import ScoreField, ScoreModel
from tests.factories.profiles import ProfileFactory
from tests.factories.tags import ScoreFactory
from tests.matching import matching, where_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def probe(monkeypatch):
    fields = {"level": ScoreField(ValueType.NUMBER, "Level"), "class": ScoreField(ValueType.TEXT, "Class")}
    monkeypatch.setitem(score_models._models, "probe", ScoreModel("probe", "Probe", fields))


def score(field, word, *value):
    return {"op": "score", "model": "probe", "field": field, "is": word, **({"value": value[0]} if value else {})}


def test_a_denial_matches_those_without_a_score(now):
    high = ScoreFactory(model="probe", values={"level": 5}).profile_id
    ScoreFactory(model="probe", values={"level": 1})
    unclear = ScoreFactory(model="probe", values={"level": None}).profile_id
    stranger = ProfileFactory().pk

    assert matching(score("level", "gte", 2), now) == {high}
    assert matching(score("level", "ne", 1), now) == {high, unclear, stranger}
    assert matching(score("level", "unset"), now) == {unclear, stranger}


def test_sql(now):
    assert where_of(score("class", "eq", "111"), now) == (
        "EXISTS(SELECT 1 AS a FROM tags_score U0 "
        "WHERE (CASE WHEN (jsonb_typeof((U0.values -> 'class'::text)) = 'string') "
        "THEN (((U0.values -> 'class'::text) #>> '{}') = '111') ELSE false END "
        "AND U0.model = 'probe' AND U0.profile_id = (id)) LIMIT 1)"
    )


def test_a_field_that_the_model_does_not_declare():
    with pytest.raises(RuleError) as refused:
        parse_rule(score("depth", "set"))

    assert str(refused.value) == "field: the scoring model probe has no field 'depth'; known: level, class"


def test_sentence_and_topics():
    rule = parse_rule(score("level", "between", [2, 4]))

    assert describe_rule(rule) == "Level of Probe is from 2 to 4"
    assert rule.topics() == {"score:probe"}
