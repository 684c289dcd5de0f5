"""The pages of rejected messages: choosing, correcting, replaying."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from cdp.admin.base import StrataAdmin
from cdp.models import Run
from cdp.roles import OPERATOR, PRIVACY_OFFICER, VIEWER
from profiles.models import InboxMessage, RejectedMessage
from profiles.services.rejected import replay
from tests.elsewhere import Elsewhere
from tests.factories.profiles import SEEN_AT, SourceFactory
from tests.pages import filled_in
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db
LIST = reverse("admin:profiles_rejectedmessage_changelist")
ALL = reverse("admin:profiles_rejectedmessage_all")
BUTTON = "profiles_rejectedmessage_save_and_replay"
PAYLOAD = '{"type":"trak","messageId":"m1"}'


def make(**fields):
    given = {"source": SourceFactory(), "reason": "type 'trak' is not taken", "payload": PAYLOAD, **fields}
    return RejectedMessage.objects.create(received_at=SEEN_AT, **given)


def address(rejected):
    return reverse("admin:profiles_rejectedmessage_change", args=[rejected.pk])


def shown(client, query):
    return set(client.get(f"{LIST}?{query}").context["cl"].result_list)


def test_the_list_is_narrowed_down_by_source_kind_day_and_reason():
    first, second = make(), make(code="schema", reason="properties.price: is missing")
    client = sign_in(OPERATOR)

    assert shown(client, f"source__id__exact={first.source_id}") == {first}
    assert shown(client, "code__exact=schema") == shown(client, "q=PRICE") == {second}
    assert shown(client, "day=today") == shown(client, f"day={timezone.localdate()}") == {first, second}
    assert shown(client, "day=2020-01-01") == set()


@pytest.mark.parametrize(
    "payload", ['{"event":"\\ud83d"}', f'{{"a":{"[" * 900}{"]" * 900}}}'], ids=["half a pair", "nested deeply"]
)
def test_a_message_is_shown_as_it_came_where_it_cannot_be_laid_out(payload):
    rejected = make(payload=payload)

    page = sign_in(OPERATOR).get(address(rejected))

    assert page.context["adminform"].form.initial["payload"] == payload


def test_chosen_messages_are_replayed_or_discarded():
    first, second, third = make(), make(payload="[]"), make()
    client = sign_in(OPERATOR)

    replayed = client.post(
        LIST, {"action": "replay_chosen", "_selected_action": [first.pk, second.pk]}, follow=True
    ).content.decode()
    client.post(LIST, {"action": "discard_chosen", "_selected_action": [second.pk]})

    assert "1 message is back in the inbox" in replayed
    assert "1 message stays" in replayed
    assert InboxMessage.objects.count() == 1
    assert list(RejectedMessage.objects.all()) == [third]


def test_a_message_is_corrected_and_replayed():
    rejected = make()
    client = sign_in(OPERATOR)

    refused = client.post(address(rejected), {"payload": "{"})
    assert "Not JSON" in refused.content.decode()
    done = client.post(address(rejected), {"payload": PAYLOAD.replace("trak", "track"), BUTTON: "1"}, follow=True)

    assert done.status_code == 200
    assert InboxMessage.objects.get().payload == '{"type":"track","messageId":"m1"}'
    assert not RejectedMessage.objects.exists()


def test_what_is_left_alone_is_replayed_as_it_came():
    """A browser writes ends of lines in its own way."""
    rejected = make(payload='{"type": "track", "userId": "u1", "total": NaN}')
    client = sign_in(OPERATOR)

    saved = client.post(address(rejected), filled_in(client.get(address(rejected))))

    assert saved.status_code == 302, saved.context["adminform"].form.errors
    assert RejectedMessage.objects.get().payload == rejected.payload


def test_what_another_corrects_meanwhile_is_not_set_back():
    rejected = make()
    client = sign_in(OPERATOR)
    shown = filled_in(client.get(address(rejected)))
    RejectedMessage.objects.update(payload=PAYLOAD.replace("trak", "track"))

    client.post(address(rejected), {**shown, BUTTON: "1"})

    assert InboxMessage.objects.get().payload == '{"type":"track","messageId":"m1"}'


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_what_another_replays_while_it_is_corrected_is_not_rejected_again(monkeypatch):
    rejected, real = make(), StrataAdmin.save_form
    client = sign_in(OPERATOR)
    shown = filled_in(client.get(address(rejected)))

    def save_form(self, request, form, change):
        Elsewhere(lambda: replay([rejected.pk])).finish()
        return real(self, request, form, change)

    monkeypatch.setattr(StrataAdmin, "save_form", save_form)
    answer = client.post(address(rejected), {**shown, "payload": PAYLOAD.replace("trak", "track")}, follow=True)

    assert "Somebody has deleted it meanwhile" in answer.content.decode()
    assert not RejectedMessage.objects.exists()
    assert InboxMessage.objects.count() == 1


def test_all_that_match_are_replayed_by_a_run():
    rejected = make()
    make(code="schema")
    client = sign_in(OPERATOR)
    query = f"source__id__exact={rejected.source_id}&day=today&q=trak"

    assert "1 rejected message" in client.get(f"{ALL}?{query}").content.decode()
    assert not Run.objects.exists()
    client.post(f"{ALL}?{query}", {"kind": "replay"})

    run = Run.objects.get()
    assert (run.kind, run.params["source"], run.params["reason"]) == ("replay", rejected.source.key, "trak")
    assert run.params["since"] == timezone.localdate().isoformat()


def test_the_days_of_all_that_match_are_told():
    client = sign_in(OPERATOR)

    days = [client.get(f"{ALL}?day={day}").context["facts"] for day in ("week", "2026-11-20", "soon")]

    since = timezone.localdate() - timedelta(days=6)
    assert days == [[("rejected", f"since {since}")], [("rejected", "2026-11-20")], []]


@pytest.mark.parametrize("source", ["999999", "shop", "9" * 30])
def test_of_a_source_that_is_gone_nothing_matches(source):
    make()
    client = sign_in(OPERATOR)

    assert client.get(f"{ALL}?source__id__exact={source}").status_code == 404
    assert client.post(f"{ALL}?source__id__exact={source}", {"kind": "discard"}).status_code == 404

    assert RejectedMessage.objects.count() == 1
    assert not Run.objects.exists()


def test_who_may_only_look_changes_nothing():
    rejected = make()

    for role in (VIEWER, PRIVACY_OFFICER):
        client = sign_in(role)
        assert client.post(ALL, {"kind": "replay"}).status_code == 403
        client.post(LIST, {"action": "replay_chosen", "_selected_action": [rejected.pk]})
        client.post(address(rejected), {"payload": "{}"})
    assert 'name="payload"' not in sign_in(PRIVACY_OFFICER).get(address(rejected)).content.decode()
    assert RejectedMessage.objects.get().payload == PAYLOAD
    assert not Run.objects.exists()
