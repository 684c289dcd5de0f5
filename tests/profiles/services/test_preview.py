"""A preview: exact, and limited in time."""

import pytest

from cdp.rules.errors import RuleError
from profiles.services import preview
from profiles.services.preview import Preview, PreviewTimeout, preview_rule
from tests.factories.profiles import ProfileFactory

pytestmark = pytest.mark.django_db

OSLO = {"op": "attribute", "key": "city", "is": "eq", "value": "Oslo"}


def test_an_exact_count_and_ten_of_them_in_one_query(now, django_assert_num_queries):
    found = [ProfileFactory(attributes={"city": "Oslo"}) for _n in range(12)]
    ProfileFactory(attributes={"city": "Bergen"})
    ProfileFactory(attributes={"city": "Oslo"}, merged_into=found[0])

    with django_assert_num_queries(8):  # a savepoint and its release, four settings, the attribute, the count
        previewed = preview_rule(OSLO, now=now)

    assert previewed == Preview(count=12, sample=[profile.public_id for profile in found[:10]])


def test_nobody(now):
    assert preview_rule(OSLO, now=now) == Preview(count=0, sample=[])


def test_a_rule_with_problems(now):
    with pytest.raises(RuleError):
        preview_rule({"all": []}, now=now)


def test_past_its_time_it_is_cancelled_and_says_so(now, monkeypatch):
    monkeypatch.setattr(preview, "TIMEOUT_SECONDS", 0.001)
    ProfileFactory.create_batch(50, attributes={"city": "Oslo" * 1000})
    slow = {"all": [OSLO | {"is": "contains", "value": f"{n}" * 200} for n in range(10)] * 20}

    with pytest.raises(PreviewTimeout, match="takes longer than"):
        preview_rule(slow, now=now)


def test_reading_the_rule_takes_of_the_same_time(now, monkeypatch):
    monkeypatch.setattr(preview, "TIMEOUT_SECONDS", 0.0)

    with pytest.raises(PreviewTimeout):
        preview_rule(OSLO, now=now)
