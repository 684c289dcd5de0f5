"""What events are called in sentences and facts."""

import pytest
from django.utils import translation

from cdp.rules.describe import describe_rule
from cdp.rules.explain import explain_rules
from cdp.rules.parse import parse_rule
from profiles.models import Profile
from tests.factories.profiles import EventDefinitionFactory, EventFactory, ProfileFactory

pytestmark = pytest.mark.django_db
BUY, VIEW, WISH = "order_paid_v2", "pv", "wish"


@pytest.fixture(autouse=True)
def _definitions():
    EventDefinitionFactory(name=BUY, label="支付订单")
    EventDefinitionFactory(name=VIEW, label="City")  # a word that is translated, as one that Strata ships
    EventDefinitionFactory(name=WISH)


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ({"op": "event", "name": BUY}, "did “支付订单”"),
        ({"op": "event", "name": [WISH, BUY, "never"]}, "did “wish” or “支付订单” or “never”"),
        (
            {"op": "event_recency", "name": BUY, "which": "last", "is": "within", "days": 7},
            "did “支付订单” for the last time in the last 7 days",
        ),
        ({"op": "sequence", "steps": [{"name": VIEW}, {"name": BUY}]}, "did “City”, then “支付订单”"),
    ],
    ids=["label", "fallback", "recency", "sequence"],
)
def test_the_label_stands_in_the_sentence(rule, sentence):
    assert describe_rule(parse_rule(rule)) == sentence


def test_labels_cost_no_query_more_than_the_names(django_assert_num_queries):
    rule = {"all": [{"op": "event", "name": name} for name in (BUY, VIEW, WISH, "never")]}

    with django_assert_num_queries(1):
        sentence = describe_rule(parse_rule(rule))

    assert sentence == "did “支付订单” and did “City” and did “wish” and did “never”"


def test_the_label_stands_in_what_was_found(now):
    ann = ProfileFactory()
    EventFactory(profile=ann, definition__name=BUY, occurred_at=now)
    rule = {"all": [{"op": "event", "name": BUY}, {"op": "event", "name": "never"}]}

    (judged,) = explain_rules([parse_rule(rule)], Profile.objects.all(), profile_id=ann.pk, now=now)

    first, second = judged.children
    assert first.facts[0].text == "1 time “支付订单”"
    assert [fact.text for fact in second.facts] == ["nobody has sent “never” yet"]


def test_a_shipped_label_is_in_the_language_of_the_reader():
    parsed = parse_rule({"op": "event", "name": VIEW})

    with translation.override("zh-hans"):
        assert "“城市”" in describe_rule(parsed)
