"""`profiles/{id}/consents/` and `profiles/consents/`."""

from datetime import timedelta

import pytest

from profiles.models import Consent, Profile
from tests.clients import api_of
from tests.factories.profiles import SEEN_AT, ConsentFactory, IdentifierFactory, ProfileFactory

pytestmark = pytest.mark.django_db


def path(profile):
    return f"profiles/{profile.public_id}/consents/"


def word(**changed):
    return {"channel": "sms", "state": "granted"} | changed


def test_the_words_in_force_and_the_history():
    first = ConsentFactory(source__key="shop")
    ann = first.profile
    ConsentFactory(profile=ann, source__key="till", state="denied", occurred_at=SEEN_AT + timedelta(days=1))

    answer = api_of("viewer").send("get", path(ann)).json()

    denied = {
        "channel": "email", "state": "denied", "occurred_at": "2026-01-02T00:00:00Z", "source": "till", "user": None,
        "recorded_at": None, "note": "",
    }  # fmt: skip
    granted = denied | {"state": "granted", "occurred_at": "2026-01-01T00:00:00Z", "source": "shop"}
    assert answer == {"current": {"email": denied}, "next": None, "previous": None, "results": [denied, granted]}


def test_the_history_takes_a_fixed_number_of_queries(django_assert_num_queries):
    ann, api = ProfileFactory(), api_of("viewer")
    for n in range(20):
        if n in (1, 19):
            with django_assert_num_queries(6):
                api.send("get", path(ann))
        ConsentFactory(profile=ann, occurred_at=SEEN_AT + timedelta(days=n))


def test_one_channel_alone():
    ann = ConsentFactory().profile
    ConsentFactory(profile=ann, channel="sms")

    answer = api_of("viewer").send("get", f"{path(ann)}?channel=sms").json()

    assert [each["channel"] for each in answer["results"]] == ["sms"]


def test_a_word_is_told_and_counts():
    ann = ProfileFactory()

    answer = api_of("integration").send("post", path(ann), word(occurred_at="2026-03-01T08:00:00+08:00", note="form"))

    assert answer.status_code == 201
    told = answer.json()["current"]["sms"]
    assert (told["state"], told["occurred_at"], told["note"]) == ("granted", "2026-03-01T00:00:00Z", "form")
    assert told["user"] == Consent.objects.get().user.username
    assert api_of("viewer").send("get", f"profiles/{ann.public_id}/").json()["consents"] == {"sms": "granted"}


def test_a_merged_away_id_tells_of_the_survivor():
    ann, absorbed = ProfileFactory(), ProfileFactory()
    Profile.objects.filter(pk=absorbed.pk).update(merged_into=ann)

    api_of("integration").send("post", path(absorbed), word())

    assert Consent.objects.get().profile == ann


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"channel": "fax"}, "channel"),
        ({"state": "perhaps"}, "state"),
        ({"occurred_at": "2999-01-01T00:00:00Z"}, "occurred_at"),
        ({"occurred_at": "2026-01-01T00:00:00"}, "occurred_at"),
        ({"note": "x" * 501}, "note"),
        ({"source": "shop"}, "source"),
    ],
)
def test_what_cannot_be_taken_is_refused_by_name(changed, field):
    ann = ProfileFactory()

    answer = api_of("integration").send("post", path(ann), word(**changed))

    assert (answer.status_code, [error["path"] for error in answer.json()["errors"]]) == (400, [field])
    assert not Consent.objects.exists()


def test_words_of_many_people_at_once():
    ann, bo = (IdentifierFactory(kind_key="email", value=f"{name}@example.com").profile for name in ("ann", "bo"))
    body = {
        "consents": [
            word(identifier={"kind": "email", "value": "ANN@example.com"}),
            word(
                identifier={"kind": "email", "value": "bo@example.com"},
                state="denied",
                occurred_at="2026-03-01T00:00:00Z",
            ),
            word(identifier={"kind": "email", "value": "nobody@example.com"}),
        ]
    }

    answer = api_of("integration").send("post", "profiles/consents/", body)

    assert answer.json() == {
        "recorded": 2, "unchanged": 0, "unknown": [{"kind": "email", "value": "nobody@example.com"}],
    }  # fmt: skip
    assert set(Consent.objects.values_list("profile_id", "state")) == {(ann.pk, "granted"), (bo.pk, "denied")}


def test_an_error_among_many_names_its_place():
    good = word(identifier={"kind": "email", "value": "a@example.com"})

    answer = api_of("integration").send("post", "profiles/consents/", {"consents": [good, good | {"channel": "fax"}]})

    assert answer.json()["errors"][0]["path"] == "consents[1].channel"
