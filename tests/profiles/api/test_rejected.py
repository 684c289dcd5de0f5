import pytest
from django.contrib.auth.models import Permission

from cdp.models import Run, User
from profiles.api import rejected as api
from profiles.models import InboxMessage, RejectedMessage
from profiles.services.rejected import replay
from tests.clients import api_of
from tests.factories.profiles import SEEN_AT, SourceFactory

pytestmark = pytest.mark.django_db
PAYLOAD = '{"type": "track", "messageId": "m1", "event": "Viewed", "userId": "ann@example.com"}'


def make(source=None, **fields):
    given = {"reason": "timestamp 'ann@example.com' is not a time", "payload": PAYLOAD, **fields}
    return RejectedMessage.objects.create(source=source or SourceFactory(), received_at=SEEN_AT, **given)


def test_a_rejected_message_is_shown_with_its_reason():
    rejected = make(SourceFactory(key="till"))

    body = api_of("operator").send("get", f"rejected-messages/{rejected.pk}/").json()

    assert body | {"rejected_at": ""} == {
        "id": rejected.pk,
        "source": "till",
        "received_at": "2026-01-01T00:00:00Z",
        "rejected_at": "",
        "code": "invalid",
        "reason": "timestamp 'ann@example.com' is not a time",
        "payload": PAYLOAD,
    }


def test_filters_choose():
    till = SourceFactory(key="till")
    first, second = make(till), make(code="schema", reason="properties.price: is missing")
    api = api_of("operator")

    def ids(query):
        return [row["id"] for row in api.send("get", f"rejected-messages/?{query}").json()["results"]]

    assert ids("source=till") == [first.pk]
    assert ids("code=schema") == ids("reason=PRICE") == [second.pk]
    assert ids("until=2020-01-01") == []
    assert ids("since=0001-01-01&until=9999-12-31") == [second.pk, first.pk]
    assert ids("since=2020-01-01") == [second.pk, first.pk]
    assert api.send("get", "rejected-messages/?code=x").status_code == 400


def test_messages_are_replayed_by_id_at_once():
    first, second = make(), make(payload="[]")

    answer = api_of("operator").send("post", "rejected-messages/replay/", {"ids": [first.pk, second.pk, 999_999]})

    assert (answer.status_code, answer.json()) == (200, {"replayed": 1, "kept": 1})
    assert InboxMessage.objects.get().payload.replace(" ", "") == PAYLOAD.replace(" ", "")


def test_all_that_match_are_replayed_by_a_run():
    make(SourceFactory(key="till"))

    answer = api_of("operator").send("post", "rejected-messages/replay/", {"source": "till", "until": "2030-01-01"})

    assert answer.status_code == 202
    run = Run.objects.get()
    assert (run.kind, run.subject, run.is_cancellable) == ("replay", "till", True)
    assert (run.params["source"], run.params["until"], run.params["code"]) == ("till", "2030-01-01", "")


@pytest.mark.parametrize(
    "body",
    [{}, {"all": False}, {"ids": []}, {"ids": [1], "all": True}, {"ids": [1], "source": "till"}, {"source": "nobody"},
     {"since": "soon"}, {"ids": ["x"]}, {"everything": True}],
)  # fmt: skip
def test_a_request_that_does_not_say_which_is_refused(body):
    make(SourceFactory(key="till"))

    for path in ("replay", "discard"):
        assert api_of("operator").send("post", f"rejected-messages/{path}/", body).status_code == 400
    assert RejectedMessage.objects.count() == 1


def test_who_may_not_read_reasons_chooses_none_by_them():
    """A run that discards all with an address in their reason would tell by its count whether there are any."""
    make()
    api = api_of("viewer")
    may = ("view_rejectedmessage", "change_rejectedmessage", "delete_rejectedmessage")
    User.objects.get().user_permissions.set(Permission.objects.filter(codename__in=may))

    answers = [api.send("get", "rejected-messages/?reason=ann@example.com")]
    answers += [
        api.send("post", f"rejected-messages/{path}/", {"reason": "ann@example.com"}) for path in ("replay", "discard")
    ]

    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert not Run.objects.exists()
    assert api.send("post", "rejected-messages/replay/", {"code": "schema"}).status_code == 202


def test_a_message_is_corrected_or_thrown_away():
    first, second = make(), make()
    api = api_of("operator")

    changed = api.send("patch", f"rejected-messages/{first.pk}/", {"payload": PAYLOAD.replace("Viewed", "Seen")})
    refused = api.send("patch", f"rejected-messages/{second.pk}/", {"payload": "{"})

    assert "Seen" in changed.json()["payload"]
    assert [error["path"] for error in refused.json()["errors"]] == ["payload"]
    assert api.send("delete", f"rejected-messages/{first.pk}/").status_code == 204
    assert api.send("post", "rejected-messages/discard/", {"ids": [second.pk]}).json() == {"discarded": 1}
    assert not RejectedMessage.objects.exists()
    assert not InboxMessage.objects.exists()


def test_what_was_replayed_while_it_is_corrected_stays_so(monkeypatch):
    rejected = make()

    def replayed_meanwhile(text):
        replay([rejected.pk])
        return text

    monkeypatch.setattr(api, "corrected", replayed_meanwhile)
    answer = api_of("operator").send("patch", f"rejected-messages/{rejected.pk}/", {"payload": "{}"})

    assert answer.status_code == 400
    assert "was deleted meanwhile" in answer.json()["detail"]
    assert not RejectedMessage.objects.exists()
    assert InboxMessage.objects.count() == 1


@pytest.mark.parametrize("n", [1, 20])
def test_a_list_is_one_query(n, django_assert_num_queries):
    for _index in range(n):
        make()
    api = api_of("operator")

    with django_assert_num_queries(3 + 1):
        assert len(api.send("get", "rejected-messages/").json()["results"]) == n
