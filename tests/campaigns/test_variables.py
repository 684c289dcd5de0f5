import pytest

from campaigns.variables import load_names, template_problems
from tests.factories.profiles import AttributeDefinitionFactory
from tests.factories.tags import TagFactory

pytestmark = pytest.mark.django_db


def problems_of(source, *, has_tiers=True):
    return [str(error) for error in template_problems(source, load_names(has_tiers=has_tiers))]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{{ profile.nmae }}", "Line 1, character 4: “profile.nmae” does not exist; did you mean “profile.name”?"),
        ("{{ profile.nmae | default: 'x' }}", "did you mean “profile.name”?"),
        (
            "a\n{% if tags.vipp %}x{% endif %}",
            "Line 2, character 7: “tags.vipp” does not exist; did you mean “tags.vip”?",
        ),
        ("{{ tags.nope }}", "“tags.nope” does not exist; there are: vip"),
        ("{{ profile.home.cty }}", "“profile.home.cty” does not exist; did you mean “profile['home.city']”?"),
        ("{{ scores.rmf.class }}", "“scores.rmf.class” does not exist; did you mean “scores.rfm”?"),
        ("{{ scores.rfm.klass }}", "“scores.rfm.klass” does not exist; did you mean “scores.rfm.class”?"),
        ("{{ tier.nam }}", "“tier.nam” does not exist; did you mean “tier.name”?"),
        ("{{ profile.name", "Line 1, character 1: “{{” is never closed with “}}”"),
    ],
)
def test_a_name_that_nobody_has_is_an_error_with_the_nearest_that_exists(source, said):
    AttributeDefinitionFactory(key="home.city")
    TagFactory(key="vip")

    (problem,) = problems_of(source)

    assert problem.endswith(said)


def test_every_unknown_name_is_told():
    assert len(problems_of("{{ profile.name }} {{ profile.nmae }} {{ tags.nope }}")) == 2


def test_what_exists_or_is_computed_passes():
    AttributeDefinitionFactory(key="home.city")
    TagFactory(key="vip")
    source = (
        "{{ profile.name }}{{ profile['home.city'] }}{{ profile[tier.key] }}{{ profile.first_seen_at | date: '%Y' }}"
        "{{ tags.vip }}{{ tags.size }}{{ scores.rfm.class }}{{ tier.benefits }}{% assign x = profile %}{{ x.y }}"
    )

    assert problems_of(source) == []


def test_a_tier_needs_a_scheme():
    assert problems_of("{{ tier.name }}", has_tiers=False) == [
        "Line 1, character 4: “tier.name”: the campaign has no tier scheme"
    ]
