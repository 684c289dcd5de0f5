"""Identifier kinds in the admin."""

import pytest
from django.contrib.admin.models import LogEntry

from cdp.roles import ADMIN, OPERATOR, PRIVACY_OFFICER, VIEWER
from profiles.models import IdentifierKind, IdentityConflict
from tests.factories.profiles import ConflictFactory, IdentifierFactory, ProfileFactory
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db

LIST = "/admin/profiles/identifierkind/"
FORM = {"label": "Email", "limit_per_profile": "", "is_personal": "on", "blocked_values": ""}


def kind_of(key):
    return IdentifierKind.objects.get(key=key)


def page_of(key):
    return f"{LIST}{kind_of(key).pk}/change/"


def test_an_operator_adds_a_kind():
    form = {**FORM, "key": "till_id", "label": "Till id", "normaliser": "card", "blocked_values": "c 0001\n\nC-0001"}

    answer = sign_in(OPERATOR).post(f"{LIST}add/", form)

    assert answer.status_code == 302
    kind = kind_of("till_id")
    assert (kind.normaliser, kind.priority, kind.blocked_values) == ("card", 70, ["C0001"])


def test_a_lower_limit_says_who_exceeds_it():
    profile = ProfileFactory()
    IdentifierFactory.create_batch(2, kind_key="email", profile=profile)

    answer = sign_in(OPERATOR).post(page_of("email"), {**FORM, "limit_per_profile": 1}, follow=True)

    assert "1 profile has more than that already." in answer.content.decode()
    assert kind_of("email").limit_per_profile == 1


def test_a_refused_limit_counts_nobody_who_exceeds_it():
    IdentifierFactory.create_batch(2, kind_key="email", profile=ProfileFactory())
    IdentifierKind.objects.filter(key="email").update(limit_per_profile=1)
    IdentifierFactory(kind_key="email")

    page = sign_in(OPERATOR).post(page_of("email"), {**FORM, "limit_per_profile": 0}).content.decode()

    assert "3 identifiers" in page
    assert "1 profile has more than the limit" in page


def test_what_is_refused_stands_beside_its_field_and_what_was_typed_stays():
    answer = sign_in(OPERATOR).post(page_of("phone"), {**FORM, "label": "Phone", "blocked_values": "hello"})

    form = answer.context["adminform"].form
    assert list(form.errors) == ["blocked_values"]
    assert "hello" in answer.content.decode()
    assert kind_of("phone").blocked_values == []


def test_a_shipped_label_left_as_it_is_shown_stays_in_every_language():
    client = sign_in(OPERATOR, language="zh-hans")
    shown = client.get(page_of("email")).context["adminform"].form["label"].value()

    client.post(page_of("email"), {**FORM, "label": shown})
    kept = kind_of("email").label
    client.post(page_of("email"), {**FORM, "label": "电邮"})

    assert shown != "Email"
    assert (kept, kind_of("email").label) == ("Email", "电邮")


def test_arrows_change_the_order_and_the_history_says_who():
    kind = kind_of("email")

    sign_in(OPERATOR, username="ann").post(f"{LIST}{kind.pk}/move/up/")

    order = list(IdentifierKind.objects.values_list("key", flat=True))
    assert order.index("email") == 3
    assert LogEntry.objects.get().user.username == "ann"


@pytest.mark.parametrize("role", [VIEWER, PRIVACY_OFFICER])
def test_others_change_nothing(role):
    client, kind = sign_in(role), kind_of("email")

    answers = [
        client.post(f"{LIST}{kind.pk}/move/up/"),
        client.post(page_of("email"), {**FORM, "label": "x"}),
        client.get(f"{LIST}add/"),
    ]

    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert (kind_of("email").priority, kind_of("email").label) == (50, "Email")
    assert "/move/up/" not in client.get(LIST).content.decode()


@pytest.mark.parametrize(("role", "shown"), [(VIEWER, False), (OPERATOR, True)])
def test_blocked_values_of_a_personal_kind_are_masked(role, shown):
    IdentifierKind.objects.filter(key="phone").update(blocked_values=["+8613800138000"])

    assert ("+8613800138000" in sign_in(role).get(page_of("phone")).content.decode()) is shown


def test_the_normaliser_is_fixed_once_there_are_identifiers():
    kind = IdentifierKind.objects.create(key="till_id", label="Till id", normaliser="card", priority=5)
    client = sign_in(ADMIN)
    before = client.get(page_of("till_id")).context["adminform"].form.fields
    IdentifierFactory(kind=kind, kind_key="till_id")

    page = client.get(page_of("till_id"))

    assert "normaliser" in before
    assert "normaliser" not in page.context["adminform"].form.fields
    assert "the normaliser cannot be changed" in page.content.decode()


def test_a_kind_in_use_is_not_deleted_and_the_page_counts():
    kind = IdentifierKind.objects.create(key="till_id", label="Till id", normaliser="card", priority=5)
    IdentifierFactory(kind=kind, kind_key="till_id")
    client = sign_in(OPERATOR)

    asked = client.get(f"{LIST}{kind.pk}/delete/")
    client.post(f"{LIST}{kind.pk}/delete/", {"post": "yes"})

    assert "1 identifier of this kind" in asked.content.decode()
    assert IdentifierKind.objects.filter(key="till_id").exists()


def test_a_shipped_kind_has_no_delete_page():
    assert sign_in(ADMIN).get(f"{LIST}{kind_of('email').pk}/delete/").status_code == 403


def test_a_value_that_is_blocked_says_which_conflicts_it_leaves_and_leads_there():
    kiosk = IdentifierFactory(kind_key="device_id", value="KIOSK-1")
    ConflictFactory.create_batch(2, left_out=kiosk)
    ConflictFactory(left_out__kind_key="device_id")
    client = sign_in(ADMIN)
    link = f'href="/admin/profiles/identityconflict/?identifier={kiosk.pk}&amp;state__exact=open"'
    label = IdentifierKind.objects.get(key="device_id").label

    before = client.get(page_of("device_id")).content.decode()
    done = client.post(
        page_of("device_id"), {"label": label, "limit_per_profile": "", "blocked_values": "KIOSK-1"}, follow=True
    ).content.decode()
    after = client.get(page_of("device_id")).content.decode()

    assert "Open conflicts" not in before
    assert "Open conflicts name what is blocked" in done
    assert [link in text for text in (before, done, after)] == [False, True, True]
    assert "KIOSK-1 (2)" in after
    IdentityConflict.objects.update(state="dismissed")
    assert "Open conflicts" not in client.get(page_of("device_id")).content.decode()
