import pytest

from profiles.services.preview import PreviewTimeout
from segments.api import portrait as endpoint
from tests.clients import api_of
from tests.factories.profiles import AttributeDefinitionFactory, IdentifierFactory, ProfileFactory
from tests.factories.segments import MembershipFactory, SegmentFactory

PATH = "segments/loyal/breakdown/"
pytestmark = pytest.mark.django_db


@pytest.fixture
def loyal():
    return SegmentFactory(key="loyal")


def test_the_breakdown_of_a_segment(loyal):
    member = ProfileFactory(attributes={"city": "Oslo"})
    MembershipFactory(segment=loyal, profile=member)
    MembershipFactory(segment=SegmentFactory(key="new"), profile=ProfileFactory(attributes={"city": "Oslo"}))
    ProfileFactory()
    ProfileFactory()

    alone = api_of("viewer").send("get", f"{PATH}?by=attribute:city")
    beside = api_of("viewer").send("get", f"{PATH}?by=attribute:city&compare=new")

    assert alone.status_code == 200, alone.json()
    assert alone.json() == {
        "by": "attribute:city",
        "label": "City",
        "segment": "loyal",
        "compare": None,
        "people": "all",
        "totals": {"segment": 1, "compare": None, "all": 4},
        "buckets": [
            {
                "kind": "value",
                "value": "Oslo",
                "from": None,
                "to": None,
                "label": "Oslo",
                "rule": {"op": "attribute", "key": "city", "is": "eq", "value": "Oslo"},
                "segment": {"count": 1, "percent": 100.0, "tgi": 200.0},
                "compare": None,
                "all": {"count": 2, "percent": 50.0},
            },
            {
                "kind": "missing",
                "value": None,
                "from": None,
                "to": None,
                "label": "Missing",
                "rule": {"op": "attribute", "key": "city", "is": "unset"},
                "segment": {"count": 0, "percent": 0.0, "tgi": 0.0},
                "compare": None,
                "all": {"count": 2, "percent": 50.0},
            },
        ],
    }
    assert beside.json()["totals"] == {"segment": 1, "compare": 1, "all": 4}
    assert beside.json()["buckets"][0]["compare"] == {"count": 1, "percent": 100.0, "tgi": 200.0}


def test_ranges_have_ends(loyal):
    AttributeDefinitionFactory(key="spent", type="number", is_pii=False)
    for n in range(13):
        MembershipFactory(
            segment=loyal, profile=ProfileFactory(attributes={"spent": n * 1.5, "birthday": "1990-01-01"})
        )

    spent, birthday = [
        api_of("operator").send("get", f"{PATH}?by=attribute:{key}").json()["buckets"] for key in ("spent", "birthday")
    ]

    assert [(each["from"], each["to"], each["segment"]["count"]) for each in spent[:2]] == [
        (0.0, 2.0, 2),
        (2.0, 4.0, 1),
    ]
    assert spent[0]["rule"]["all"][1] == {"op": "attribute", "key": "spent", "is": "lt", "value": 2}
    assert [(each["from"], each["to"]) for each in birthday] == [("1990-01-01", "1990-01-02")]


def test_known_people_alone(loyal):
    IdentifierFactory(profile=ProfileFactory(), kind_key="email", value="a@example.com")
    ProfileFactory()

    answer = api_of("viewer").send("get", f"{PATH}?by=attribute:city&people=known").json()

    assert (answer["people"], answer["totals"]["all"]) == ("known", 1)


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("", "by"),
        ("by=city", "by"),
        ("by=tag:shoe", "by"),
        ("by=attribute:city&compare=shoe", "compare"),
        ("by=attribute:city&people=some", "people"),
        ("by=attribute:city&top=0", "top"),
        ("by=attribute:city&top=51", "top"),
        ("by=attribute:city&colour=red", "colour"),
    ],
)
def test_what_is_wrong_is_named(loyal, query, path):
    answer = api_of("viewer").send("get", f"{PATH}?{query}")

    assert (answer.status_code, [error["path"] for error in answer.json()["errors"]]) == (400, [path])


def test_personal_attributes_are_for_those_who_may_see_them(loyal):
    MembershipFactory(segment=loyal, profile=ProfileFactory(attributes={"email": "ann@example.com"}))

    answers = {
        role: api_of(role).send("get", f"{PATH}?by=attribute:email")
        for role in ("viewer", "campaign_manager", "operator")
    }

    assert {role: answer.status_code for role, answer in answers.items()} == {
        "viewer": 403,
        "campaign_manager": 403,
        "operator": 200,
    }
    assert "ann@" not in answers["viewer"].content.decode()
    assert "ann@" in answers["operator"].content.decode()
    assert api_of("viewer").send("get", f"{PATH}?by=attribute:undefined").status_code == 403
    assert api_of("viewer").send("get", "segments/none/breakdown/?by=tag:x").status_code == 400
    assert api_of("viewer").send("get", "segments/none/breakdown/?by=attribute:city").status_code == 404


def test_a_count_that_takes_too_long_is_said(loyal, monkeypatch):
    def too_slow(*args, **kwargs):
        raise PreviewTimeout

    monkeypatch.setattr(endpoint, "break_down", too_slow)

    answer = api_of("viewer").send("get", f"{PATH}?by=attribute:city")

    assert (answer.status_code, answer.json()["type"].rsplit("/", 1)[1]) == (503, "preview-timeout")
