"""Webhooks in the admin: made, changed, tried, switched, and what they answered."""

import html
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.db import transaction
from django.utils import timezone

from cdp.models import Subscription, Webhook, WebhookMessage
from cdp.roles import CAMPAIGN_MANAGER, INTEGRATION, OPERATOR, PRIVACY_OFFICER, VIEWER
from cdp.webhooks.manage import Hearing, save_webhook
from tests.elsewhere import Elsewhere
from tests.factories.cdp import ApiTokenFactory
from tests.factories.segments import MembershipChangeFactory, SegmentFactory
from tests.factories.webhooks import SECRET, WebhookAttemptFactory, WebhookFactory, WebhookMessageFactory
from tests.pages import filled_in
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db
LIST = "/admin/cdp/webhook/"
SHOP = {
    "name": "Shop", "key": "shop", "url": "https://shop.example.com/hooks?token=t", "owner": "", "batch_size": "50",
    "hears_segments": "on", "subjects_segments": ["vip"], "causes_segments": ["data", "time"],
}  # fmt: skip


def text_of(answer):
    return html.unescape(answer.content.decode())


def without(codename):
    """Operators may not do this."""
    permissions = Group.objects.get(name=OPERATOR).permissions
    permissions.remove(permissions.get(codename=codename))


@pytest.mark.parametrize("from_start", [False, True])
def test_one_is_made_and_its_secret_shown_once(from_start):
    change, client = MembershipChangeFactory(segment=SegmentFactory(key="vip")), sign_in(OPERATOR)

    answer = client.post(f"{LIST}add/", SHOP | ({"from_start": "on"} if from_start else {}))

    webhook = Webhook.objects.get()
    heard = list(webhook.subscriptions.values_list("feed", "subjects", "causes", "after"))
    assert webhook.secret in text_of(answer)
    assert "no-store" in answer["Cache-Control"]
    assert heard == [("segments", ["vip"], ["data", "time"], 0 if from_start else change.pk)]
    for page in (LIST, f"{LIST}{webhook.pk}/change/", f"{LIST}{webhook.pk}/history/"):
        assert webhook.secret not in text_of(client.get(page)), page
    assert "token=t" not in text_of(client.get(LIST))


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"url": "https://10.0.0.1/"}, "url"),
        ({"url": "ftp://shop.example.com/"}, "url"),
        ({"url": "https://ann:secret@example.com/"}, "url"),
        ({"batch_size": "0"}, "batch_size"),
        ({"batch_size": "1001"}, "batch_size"),
        ({"key": "no key"}, "key"),
        ({"key": "taken"}, "key"),
        ({"name": ""}, "name"),
        ({"hears_segments": ""}, "__all__"),
        ({"subjects_segments": ["nobody"]}, "subjects_segments"),
        ({"causes_segments": ["whim"]}, "causes_segments"),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(given, field):
    SegmentFactory(key="vip")
    WebhookFactory(key="taken")

    answer = sign_in(OPERATOR).post(f"{LIST}add/", SHOP | given)

    assert list(answer.context["adminform"].form.errors) == [field]
    assert Webhook.objects.count() == 1


def test_a_change_keeps_how_far_it_has_heard_and_the_audit_knows_it():
    SegmentFactory(key="vip")
    webhook = WebhookFactory(key="shop", hears=["segments", "tiers"])
    webhook.subscriptions.update(after=7)

    client, page = sign_in(OPERATOR), f"{LIST}{webhook.pk}/change/"
    shown = filled_in(client.get(page))
    del shown["hears_tiers"]

    answer = client.post(page, shown | SHOP | {"name": "Till", "hears_profiles": "on"})

    webhook.refresh_from_db()
    entry = LogEntry.objects.get().change_message
    assert (answer.status_code, webhook.name, webhook.key, webhook.batch_size) == (302, "Till", "shop", 50)
    assert list(webhook.subscriptions.order_by("feed").values_list("feed", "subjects", "after")) == [
        ("profiles", [], 0),
        ("segments", ["vip"], 7),
    ]
    assert '"name": ["Shop", "Till"]' in entry
    assert '"hears_tiers": [true, false]' in entry


@pytest.mark.parametrize("chosen", [[], ["vip"]], ids=["of-all", "of-one"])
def test_what_an_editor_left_alone_stays_as_another_has_saved_it(chosen, now):
    SegmentFactory(key="vip")
    SegmentFactory(key="loyal")
    webhook = WebhookFactory(key="shop", hears=["segments"])
    webhook.subscriptions.update(subjects=chosen)
    client, page = sign_in(OPERATOR), f"{LIST}{webhook.pk}/change/"
    shown = filled_in(client.get(page))
    hears = [Hearing("segments", ("loyal",), ("data",)), Hearing("tiers")]
    other = Webhook.objects.get()
    other.url, other.batch_size = "https://b.example.com/", 7
    save_webhook(other, hears=hears, now=now)

    answer = client.post(page, {**shown, "name": "Mine"})

    assert answer.status_code == 302, answer.context["adminform"].form.errors
    webhook.refresh_from_db()
    assert (webhook.name, webhook.url, webhook.batch_size) == ("Mine", "https://b.example.com/", 7)
    heard = list(webhook.subscriptions.order_by("feed").values_list("feed", "subjects", "causes"))
    assert heard == [("segments", ["loyal"], ["data"]), ("tiers", [], [])]


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
@pytest.mark.parametrize(
    ("by_other", "heard"),
    [
        ([Hearing("segments", ("vip",), ("data",)), Hearing("tiers")], [("segments", ["vip"], ["data"])]),
        ([Hearing("tiers"), Hearing("tags")], [("tags", [], [])]),
        ([Hearing("tiers")], [("segments", [], [])]),
    ],
    ids=["another narrows one", "another chooses another", "another leaves what goes"],
)
def test_nor_is_set_back_what_another_saves_while_the_page_is_being_saved(by_other, heard, now):
    SegmentFactory(key="vip")
    webhook = WebhookFactory(key="shop", hears=["segments", "tiers"])
    client, page = sign_in(OPERATOR), f"{LIST}{webhook.pk}/change/"
    shown = filled_in(client.get(page))
    del shown["hears_tiers"]
    with transaction.atomic():
        save_webhook(Webhook.objects.get(), hears=by_other, now=now)
        post = Elsewhere(lambda: client.post(page, shown))
        assert post.come_as_far_as_it_can(), "it waits for nobody"
    post.finish()

    assert list(webhook.subscriptions.order_by("feed").values_list("feed", "subjects", "causes")) == heard


def test_a_segment_that_is_no_more_stays_chosen_until_somebody_takes_it_out():
    webhook = WebhookFactory()
    Subscription.objects.create(webhook=webhook, feed="segments", subjects=["gone"])
    given = SHOP | {"subjects_segments": ["gone"], "causes_segments": []}

    answer = sign_in(OPERATOR).post(f"{LIST}{webhook.pk}/change/", given)

    assert answer.status_code == 302
    assert webhook.subscriptions.get().subjects == ["gone"]


def test_what_somebody_may_not_read_is_not_offered_and_stays_as_it_was():
    webhook = WebhookFactory(hears=["segments", "tags"])
    without("view_tagchange")
    client = sign_in(OPERATOR)

    page = client.get(f"{LIST}{webhook.pk}/change/")
    client.post(f"{LIST}{webhook.pk}/change/", SHOP | {"subjects_segments": [], "hears_tags": ""})

    assert {"hears_segments", "hears_tags"} & set(page.context["adminform"].form.fields) == {"hears_segments"}
    assert set(webhook.subscriptions.values_list("feed", flat=True)) == {"segments", "tags"}


def test_accounts_of_tokens_are_no_owners_but_of_what_they_made():
    account, other = ApiTokenFactory().user, ApiTokenFactory().user
    webhook = WebhookFactory(owner=account)

    page = sign_in(OPERATOR).get(f"{LIST}{webhook.pk}/change/")

    offered = page.context["adminform"].form.fields["owner"].queryset
    assert account in offered
    assert other not in offered


@pytest.mark.parametrize("n", [1, 20])
def test_the_list_says_how_far_each_is_behind_in_as_many_queries_for_twenty(n, django_assert_max_num_queries):
    first = MembershipChangeFactory.create_batch(3, at=datetime(2026, 6, 1, tzinfo=UTC))[0]
    WebhookFactory.create_batch(n, hears=["segments", "tiers"])
    Subscription.objects.update(after=first.pk - 1)
    client = sign_in(OPERATOR)
    client.get(LIST)

    with django_assert_max_num_queries(16):
        page = client.get(LIST)

    assert text_of(page).count("up to 3 changes, since 2026-06-01 08:00") == n


@pytest.mark.parametrize("state", ["on", "failing", "off"])
def test_the_list_is_chosen_by_state(state, now):
    rows = {
        "on": WebhookFactory(),
        "failing": WebhookFactory(failing_since=now, n_failures=2),
        "off": WebhookFactory(disabled_at=now, disabled_reason="gone"),
    }

    found = set(sign_in(OPERATOR).get(LIST, {"state": state}).context["cl"].result_list)

    assert found == ({rows["on"], rows["failing"]} if state == "on" else {rows[state]})


def test_the_page_of_one_that_was_given_up_says_why_what_waits_and_what_to_do(now):
    MembershipChangeFactory.create_batch(2)
    webhook = WebhookFactory(hears=["segments"], disabled_at=now, disabled_reason="failures")

    page = text_of(sign_in(OPERATOR).get(f"{LIST}{webhook.pk}/change/"))

    assert "Nothing is sent since 2026-06-15 12:00. Nothing but failures for days." in page
    assert "2 changes wait for it." in page
    assert "Switch on, and send what waits" in page
    assert "Switch on from now" in page


@pytest.mark.parametrize(("to", "heard"), [("on", 0), ("now", None)])
def test_it_is_switched_off_and_on_and_the_audit_knows(to, heard):
    webhook, client = WebhookFactory(hears=["segments"]), sign_in(OPERATOR)
    change = MembershipChangeFactory()

    client.post(f"{LIST}{webhook.pk}/switch/", {"to": "off"})
    off = Webhook.objects.get()
    client.post(f"{LIST}{webhook.pk}/switch/", {"to": to})
    client.post(f"{LIST}{webhook.pk}/switch/", {"to": "sideways"})

    webhook.refresh_from_db()
    assert (off.disabled_reason, webhook.disabled_at) == ("by_hand", None)
    assert webhook.subscriptions.get().after == (change.pk if heard is None else heard)
    assert LogEntry.objects.count() == 2


def test_a_new_secret_is_shown_once_and_the_old_one_stays_as_long_as_asked():
    webhook, client = WebhookFactory(), sign_in(OPERATOR)

    asked = client.get(f"{LIST}{webhook.pk}/secret/")
    unchanged = Webhook.objects.get().secret
    answer = client.post(f"{LIST}{webhook.pk}/secret/", {"grace": "168"})

    webhook.refresh_from_db()
    assert (unchanged, SECRET in text_of(asked)) == (SECRET, False)
    assert webhook.secret in text_of(answer)
    assert "no-store" in answer["Cache-Control"]
    assert webhook.old_secret == SECRET
    assert timedelta(days=6) < webhook.old_secret_until - timezone.now() <= timedelta(days=7)
    assert "whsec" not in LogEntry.objects.get().change_message


@pytest.mark.parametrize(("grace", "is_kept"), [("0", False), ("9999999999", True), ("x", True)])
def test_a_secret_ends_at_once_only_where_that_is_said(grace, is_kept):
    webhook = WebhookFactory()

    sign_in(OPERATOR).post(f"{LIST}{webhook.pk}/secret/", {"grace": grace})

    assert bool(Webhook.objects.get().old_secret) is is_kept


def test_a_test_is_asked_for_and_its_page_waits_for_it():
    webhook, client = WebhookFactory(), sign_in(OPERATOR)

    answer = client.post(f"{LIST}{webhook.pk}/test/", follow=True)

    message = WebhookMessage.objects.get()
    assert answer.redirect_chain[0][0] == f"{LIST}{webhook.pk}/attempts/?message={message.pk.hex}"
    assert "1 message goes within seconds" in text_of(answer)
    assert 'hx-trigger="every 2s"' in text_of(answer)


def test_attempts_show_what_came_of_them_and_are_chosen_by_outcome_and_message():
    webhook = WebhookFactory()
    taken = WebhookAttemptFactory(message__webhook=webhook, message__n_changes=3, status=204, n_bytes=2048)
    down = WebhookAttemptFactory(message__webhook=webhook, message__feed="", status=503, answer="<b>down</b>" * 20)
    lost = WebhookAttemptFactory(message__webhook=webhook, status=None, trouble="tls", n_bytes=None)
    WebhookAttemptFactory(status=418)
    client = sign_in(OPERATOR, language="en")

    def shown(**query):
        return [row["attempt"].pk for row in client.get(f"{LIST}{webhook.pk}/attempts/", query).context["table"]]

    everything = client.get(f"{LIST}{webhook.pk}/attempts/").content.decode()
    assert shown() == [lost.pk, down.pk, taken.pk]
    assert shown(outcome="taken") == [taken.pk]
    assert shown(outcome="not_taken") == [lost.pk, down.pk]
    assert shown(message=f"msg_{down.message_id.hex}") == [down.pk]
    assert shown(message="what?", outcome="odd", after="x") == [lost.pk, down.pk, taken.pk]
    assert "The certificate is not good" in everything
    assert "2.0\xa0KB" in everything
    assert "&lt;b&gt;down&lt;/b&gt;" in everything
    assert "<b>down" not in everything


def test_attempts_are_paged():
    webhook = WebhookFactory()
    message = WebhookMessageFactory(webhook=webhook)
    rows = [WebhookAttemptFactory(message=message).pk for _ in range(51)]
    client = sign_in(OPERATOR)

    first = client.get(f"{LIST}{webhook.pk}/attempts/")
    second = client.get(f"{LIST}{webhook.pk}/attempts/", {"after": first.context["page"].next_after})

    assert [row["attempt"].pk for row in first.context["table"]] == rows[:0:-1]
    assert [row["attempt"].pk for row in second.context["table"]] == rows[:1]


def test_an_answer_is_hidden_from_those_who_see_no_personal_data():
    webhook = WebhookFactory()
    WebhookAttemptFactory(message__webhook=webhook, status=400, answer="no ann@example.com")
    without("view_pii")

    page = text_of(sign_in(OPERATOR).get(f"{LIST}{webhook.pk}/attempts/"))

    assert "ann@example.com" not in page
    assert "Hidden: it may hold personal data." in page


def test_a_message_is_sent_again_but_not_anybody_elses():
    webhook, client = WebhookFactory(), sign_in(OPERATOR)
    mine, other = WebhookMessageFactory(webhook=webhook), WebhookMessageFactory()

    answers = [
        client.post(f"{LIST}{webhook.pk}/again/", {"message": each}).status_code
        for each in (mine.pk.hex, other.pk.hex, "what?", "")
    ]

    assert answers == [302, 404, 404, 404]
    assert [each.pk for each in WebhookMessage.objects.filter(asked_at__isnull=False)] == [mine.pk]


@pytest.mark.parametrize(
    ("since", "said", "after"),
    [
        ("2026-06-01T08:00", "It goes again from there", 1),
        ("2026-06-02T00:00", "It goes again from there", 2),
        ("9999-01-01T00:00", "This time is to come", 3),
        ("soon", "This is no time: soon", 3),
        ("", "This is no time: ", 3),
    ],
)
def test_all_since_a_moment_is_sent_again(since, said, after):
    times = [datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 6, 3, tzinfo=UTC)]
    ids = [0, *(MembershipChangeFactory(at=at).pk for at in times)]
    webhook = WebhookFactory(hears=["segments"])
    webhook.subscriptions.update(after=ids[-1])

    answer = sign_in(OPERATOR).post(f"{LIST}{webhook.pk}/since/", {"since": since}, follow=True)

    assert said in text_of(answer)
    assert webhook.subscriptions.get().after == (ids[after] if after != 1 else ids[2] - 1)
    assert LogEntry.objects.count() == (1 if after < 3 else 0)


@pytest.mark.parametrize("role", [VIEWER, CAMPAIGN_MANAGER, PRIVACY_OFFICER])
def test_others_neither_see_nor_touch_them(role):
    webhook, client = WebhookFactory(), sign_in(role)
    before = Webhook.objects.values().get()

    read = [client.get(f"{LIST}{path}").status_code for path in ("", f"{webhook.pk}/change/", f"{webhook.pk}/secret/")]
    read.append(client.get(f"{LIST}{webhook.pk}/attempts/").status_code)
    done = [
        client.post(f"{LIST}{webhook.pk}/{name}/", {"to": "off", "grace": "0", "since": "2026-01-01T00:00"}).status_code
        for name in ("test", "again", "since", "switch", "secret", "delete")
    ]

    assert set(read + done) == {403}
    assert Webhook.objects.values().get() == before
    assert "Webhooks" not in text_of(client.get("/admin/"))


def test_what_is_done_is_done_by_post():
    webhook, client = WebhookFactory(), sign_in(INTEGRATION)

    answers = {
        name: client.get(f"{LIST}{webhook.pk}/{name}/").status_code for name in ("test", "again", "since", "switch")
    }

    assert set(answers.values()) == {405}


def test_one_is_deleted_with_its_book():
    attempt = WebhookAttemptFactory()
    WebhookAttemptFactory(message=attempt.message)
    WebhookMessageFactory(webhook=attempt.webhook)

    sign_in(OPERATOR).post(f"{LIST}{attempt.webhook_id}/delete/", {"post": "yes"})

    assert not Webhook.objects.exists()
    assert LogEntry.objects.count() == 1


def test_the_dashboard_shows_those_that_were_given_up_or_fail_for_long(now):
    WebhookFactory(name="Gone shop", disabled_at=now, disabled_reason="gone")
    WebhookFactory(name="Tired till", failing_since=now, n_failures=7)
    WebhookFactory(name="Slow start", failing_since=now, n_failures=1)
    WebhookFactory(name="By hand", disabled_at=now, disabled_reason="by_hand")

    page = text_of(sign_in(OPERATOR).get("/admin/"))

    assert "Gone shop" in page
    assert "Failing since 2026-06-15 12:00: 7 attempts in a row." in page
    assert "Slow start" not in page
    assert "By hand" not in page
    assert "Gone shop" not in text_of(sign_in(VIEWER).get("/admin/"))


def test_who_may_only_look_sees_the_page_without_its_buttons():
    webhook = WebhookFactory(hears=["segments"])
    without("change_webhook")

    page = sign_in(OPERATOR).get(f"{LIST}{webhook.pk}/change/")

    assert page.status_code == 200
    assert "hooks.example.com/strata" in text_of(page)
    assert "Segments: who came and went" in text_of(page)
    assert "Send a test" not in text_of(page)
