"""Consents on the page of a person, and the form that adds one."""

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from cdp.roles import OPERATOR, VIEWER
from profiles.models import Consent
from profiles.sections import consents
from tests.factories.cdp import UserFactory
from tests.factories.profiles import SEEN_AT, ConsentFactory, ProfileFactory
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db


def page_of(profile, client=None):
    return (client or sign_in(OPERATOR)).get(f"/admin/profiles/profile/{profile.pk}/change/").content.decode()


def post(profile, *, role=OPERATOR, **fields):
    form = {"channel": "sms", "state": "granted", "occurred_at": "", "note": "said on the phone"} | fields
    return sign_in(role).post(f"/admin/profiles/profile/{profile.pk}/consent/", form, follow=True)


def messages_of(answer):
    return [str(message) for message in answer.context["messages"]]


def test_the_history_says_from_what_to_what_and_from_whom():
    profile = ProfileFactory()
    ConsentFactory(profile=profile, state="granted", source__name="Web shop")
    ConsentFactory(
        profile=profile, state="denied", occurred_at=SEEN_AT + timedelta(days=1), recorded_at=SEEN_AT, source=None,
        user=UserFactory(username="lin"), note="called us",
    )  # fmt: skip

    page = page_of(profile)

    assert "Granted → </span><b>Denied</b>" in page
    assert "Web shop" in page
    assert "lin" in page
    assert "called us" in page


def test_a_note_is_for_those_who_see_personal_data():
    consent = ConsentFactory(source=None, recorded_at=SEEN_AT, note="Zyx Qwv called")

    assert "Zyx Qwv" not in page_of(consent.profile, sign_in(VIEWER))


def test_a_word_is_written_down_with_its_time():
    profile = ProfileFactory()

    answer = post(profile, occurred_at="2026-05-12T09:30")

    row = Consent.objects.get()
    assert (row.profile, row.channel, row.state, row.note) == (profile, "sms", "granted", "said on the phone")
    assert row.occurred_at == datetime(2026, 5, 12, 9, 30, tzinfo=ZoneInfo("Asia/Shanghai"))
    assert messages_of(answer) == ["Written down. sms: Granted."]


def test_an_older_word_says_that_a_later_one_counts():
    told = ConsentFactory(channel="sms", state="denied")

    answer = post(told.profile, occurred_at="2020-01-01T00:00")

    assert messages_of(answer) == ["Written down in the history. A later word counts on sms: Denied."]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"note": " "}, "Where it is from: This field is required."),
        ({"channel": "fax"}, "Channel: Select a valid choice. fax is not one of the available choices."),
        ({"state": ""}, "State: This field is required."),
        ({"occurred_at": "yesterday"}, "Given at: Enter a valid date/time."),
        ({"occurred_at": "2999-01-01T00:00"}, "Given at: lies in the future"),
    ],
)
def test_what_cannot_be_taken_is_said(fields, message):
    answer = post(ProfileFactory(), **fields)

    assert messages_of(answer) == [message]
    assert not Consent.objects.exists()


def test_what_has_to_be_filled_in_is_marked():
    page = page_of(ProfileFactory(), sign_in(OPERATOR))

    marked = re.findall(
        r"<label[^>]*><span>([^<]+) <span class=\"st-required\"[^>]*>\*</span></span><(?:input|select)[^>]* required",
        page,
    )
    assert marked == ["State", "Where it is from"]


def test_what_was_typed_comes_again():
    answer = post(ProfileFactory(), occurred_at="2999-01-01T00:00", note="form of <12 May>")

    page = answer.content.decode()
    assert '<option value="granted" selected>' in page
    assert 'value="2999-01-01T00:00"' in page
    assert 'value="form of &lt;12 May&gt;"' in page
    assert "<li>Given at: lies in the future</li>" in page


def test_a_long_history_has_pages(monkeypatch):
    monkeypatch.setattr(consents, "N_WORDS", 2)
    profile = ProfileFactory()
    for n, state in enumerate(["granted", "denied", "granted", "denied", "denied"]):
        ConsentFactory(profile=profile, state=state, occurred_at=SEEN_AT + timedelta(days=n // 2), source__name=f"S{n}")
    client = sign_in(OPERATOR)

    def words(query):
        shown = client.get(f"/admin/profiles/profile/{profile.pk}/change/{query}").content.decode()
        names = re.findall(r"<b>(Granted|Denied)</b></td>\s*<td>(S\d)", shown.partition("<summary>History: 5 words")[2])
        older = re.search(r"\?words_before=\d+", shown)
        return [name for _state, name in names], older and older[0]

    latest, query = words("")
    middle, further = words(query)

    assert (latest, middle, words(further)) == (["S4", "S3"], ["S2", "S1"], (["S0"], None))
    assert words("?words_before=987654321")[0] == latest
    assert words("?words_before=x")[0] == latest


def test_a_page_of_the_history_knows_what_was_said_before_it(monkeypatch):
    monkeypatch.setattr(consents, "N_WORDS", 1)
    profile = ProfileFactory()
    for n, state in enumerate(["granted", "denied"]):
        ConsentFactory(profile=profile, state=state, occurred_at=SEEN_AT + timedelta(days=n))

    assert "Granted → </span><b>Denied</b>" in page_of(profile)


def test_a_word_of_somebody_who_was_erased_meanwhile_is_not_found(now):
    assert post(ProfileFactory(erased_at=now)).status_code == 404


def test_a_viewer_has_no_form_and_may_not_post():
    profile = ProfileFactory()

    assert f"profiles/profile/{profile.pk}/consent/" not in page_of(profile, sign_in(VIEWER))
    assert post(profile, role=VIEWER).status_code == 403
    assert not Consent.objects.exists()
