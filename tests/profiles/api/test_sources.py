import pytest

from cdp.models import IdempotentAnswer, Run
from profiles.models import Source
from tests.clients import api_of
from tests.factories.profiles import EventFactory, SourceFactory
from tests.rsa_keys import id_of, private_pem, public_pem

TILL = {"key": "till", "name": "Till", "kind": "till"}
pytestmark = pytest.mark.django_db


def test_a_source_is_made_and_answers_with_its_write_key():
    response = api_of("operator").send("post", "sources/", TILL)

    source = Source.objects.get(key="till")
    assert response.status_code == 201
    assert response.json() == {
        "key": "till",
        "name": "Till",
        "kind": "till",
        "rank": 100,
        "default_region": "CN",
        "previous_id_kind": None,
        "max_messages_per_second": None,
        "unplanned_events": "allow",
        "unplanned_attributes": "allow",
        "schema_violations": "allow",
        "is_enabled": True,
        "write_key": source.write_key,
        "oauth_public_keys": "",
        "oauth_key_ids": [],
        "created_at": source.created_at.isoformat().replace("+00:00", "Z"),
    }
    assert len(source.write_key) == 32


def test_the_write_key_is_shown_only_to_those_who_may_change_sources():
    source = SourceFactory(key="till")

    for role, seen in {"viewer": False, "integration": False, "operator": True, "admin": True}.items():
        body = api_of(role).send("get", "sources/till/").json()
        assert ("write_key" in body) is seen
        assert (source.write_key in str(api_of(role).send("get", "sources/").json())) is seen


def test_nobody_sees_a_write_key_of_the_built_in_source():
    assert "write_key" not in api_of("admin").send("get", "sources/strata/").json()


def test_a_source_is_renamed_and_switched_off_but_keeps_its_key():
    SourceFactory(key="till")
    api = api_of("operator")

    changed = api.send("patch", "sources/till/", {"name": "Counter", "is_enabled": False, "key": "till"})
    refused = api.send("patch", "sources/till/", {"key": "shop", "name": "Shop"})

    assert (changed.status_code, changed.json()["name"], changed.json()["is_enabled"]) == (200, "Counter", False)
    assert refused.status_code == 400
    assert [error["path"] for error in refused.json()["errors"]] == ["key"]
    assert Source.objects.get(name="Counter").key == "till"


def test_a_source_says_what_previous_ids_are_and_how_much_it_may_send():
    SourceFactory(key="till")

    changed = api_of("operator").send(
        "patch", "sources/till/", {"previous_id_kind": "member_card", "max_messages_per_second": 50}
    )

    assert changed.status_code == 200
    source = Source.objects.get(key="till")
    assert source.previous_id_kind.key == changed.json()["previous_id_kind"] == "member_card"
    assert source.max_messages_per_second == changed.json()["max_messages_per_second"] == 50


def test_another_rank_is_saved_and_everybody_folded_again_by_a_run():
    SourceFactory(key="till", rank=100)
    api = api_of("operator")

    same = api.send("patch", "sources/till/", {"rank": 100, "unplanned_events": "flag"})
    other = api.send("patch", "sources/till/", {"rank": 7})

    assert (same.status_code, other.status_code) == (200, 202)
    assert same.json()["unplanned_events"] == "flag"
    run = Run.objects.get()
    assert (run.kind, run.subject) == ("refold", "source:till")
    assert Source.objects.get(key="till").rank == 7


def test_a_write_key_is_replaced_and_shown():
    SourceFactory(key="till", write_key="OLD")
    api = api_of("operator")

    answer = api.send("post", "sources/till/write-key/", {})

    source = Source.objects.get(key="till")
    assert (answer.status_code, answer.json()["write_key"]) == (200, source.write_key)
    assert source.previous_write_key == "OLD"
    assert api.send("post", "sources/till/write-key/", {"grace_hours": 0}).status_code == 200
    assert Source.objects.get(key="till").previous_write_key == ""
    for wrong in ({"grace_hours": -1}, {"grace_hours": 721}, {"grace_hours": "soon"}, {"hours": 1}):
        assert api.send("post", "sources/till/write-key/", wrong).status_code == 400
    assert api.send("post", "sources/strata/write-key/", {}).status_code == 409


def test_a_source_has_public_keys_for_oauth_and_says_their_ids():
    SourceFactory(key="till")
    api = api_of("operator")

    answer = api.send("patch", "sources/till/", {"oauth_public_keys": public_pem(0) + public_pem(1)})

    assert answer.status_code == 200
    assert answer.json()["oauth_public_keys"] == (public_pem(0) + public_pem(1)).strip()
    assert answer.json()["oauth_key_ids"] == [id_of(0), id_of(1)]
    assert api.send("patch", "sources/till/", {"oauth_public_keys": private_pem(0)}).status_code == 400
    assert api.send("patch", "sources/till/", {"oauth_public_keys": ""}).json()["oauth_key_ids"] == []


def test_only_a_source_that_never_spoke_is_deleted():
    SourceFactory(key="till")
    EventFactory(source=SourceFactory(key="shop"))
    api = api_of("operator")

    assert api.send("delete", "sources/till/").status_code == 204
    refused = api.send("delete", "sources/shop/")
    assert refused.status_code == 409
    assert "shop" in refused.json()["detail"]
    assert api.send("delete", "sources/strata/").status_code == 409
    assert set(Source.objects.values_list("key", flat=True)) == {"shop", "strata"}


def test_the_built_in_source_stays_as_it_is():
    response = api_of("admin").send("patch", "sources/strata/", {"name": "Mine"})

    assert response.status_code == 409
    assert Source.objects.get(key="strata").name == "Strata"


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"key": "lookup"}, "key"),
        ({"key": "no spaces"}, "key"),
        ({"key": "strata"}, "key"),
        ({"key": None}, "key"),
        ({"name": ""}, "name"),
        ({"name": "n" * 101}, "name"),
        ({"kind": "built_in"}, "kind"),
        ({"kind": "radio"}, "kind"),
        ({"rank": -1}, "rank"),
        ({"rank": 32_767}, "rank"),
        ({"rank": 1e400}, ""),
        ({"default_region": "cn"}, "default_region"),
        ({"default_region": "UK"}, "default_region"),
        ({"schema_violations": "perhaps"}, "schema_violations"),
        ({"previous_id_kind": "passport"}, "previous_id_kind"),
        ({"max_messages_per_second": 0}, "max_messages_per_second"),
        ({"is_enabled": "perhaps"}, "is_enabled"),
        ({"oauth_public_keys": "ssh-rsa AAAA"}, "oauth_public_keys"),
        ({"oauth_key_ids": ["a"]}, "oauth_key_ids"),
        ({"writekey": "x"}, "writekey"),
    ],
)
def test_bad_input_says_where_and_makes_nothing(change, path):
    body = TILL | change

    answer = api_of("operator").send("post", "sources/", body).json()

    assert answer["status"] == 400
    assert [error["path"] for error in answer.get("errors", [{"path": ""}])] == [path]
    assert Source.objects.count() == 1


def test_the_kind_that_nobody_can_choose_is_not_offered():
    answer = api_of("operator").send("post", "sources/", TILL | {"kind": "radio"}).json()

    (error,) = answer["errors"]
    assert error["message"] == "“radio” is not known; known: web, app, server, till, wechat, file"


@pytest.mark.parametrize("n", [1, 20])
def test_a_list_of_sources_is_one_query(n, django_assert_num_queries):
    for _index in range(n - 1):
        SourceFactory()
    api = api_of("viewer")

    with django_assert_num_queries(3 + 1):
        assert len(api.send("get", "sources/").json()["results"]) == n


def test_the_same_key_and_body_make_one_source_and_answer_alike():
    api = api_of("operator")

    first = api.send("post", "sources/", TILL, Idempotency_Key="k1")
    again = api.send("post", "sources/", TILL, Idempotency_Key="k1")

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert again["Idempotency-Replayed"] == "true"
    assert Source.objects.count() == 2


def test_an_answer_belongs_to_its_token_and_not_to_its_key_alone():
    api_of("operator").send("post", "sources/", TILL, Idempotency_Key="k1")

    assert api_of("operator").send("post", "sources/", TILL, Idempotency_Key="k1").status_code == 400
    assert IdempotentAnswer.objects.count() == 1
