"""What somebody changes in the admin is kept with its values before and after, and shown on the history of its page."""

import json

import pytest
from django.contrib.admin.models import LogEntry

from cdp.models import User
from cdp.roles import ADMIN, OPERATOR, VIEWER
from profiles.models import IdentifierKind
from tests.clients import api_of
from tests.factories.tags import TagFactory, TagValueFactory
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db
KINDS = "/admin/profiles/identifierkind/"


@pytest.fixture
def email():
    return IdentifierKind.objects.get(key="email")


def test_a_change_in_the_admin_keeps_before_and_after(email):
    form = {"label": "Mail", "limit_per_profile": "3", "is_personal": "on", "blocked_values": "nobody@example.com"}

    sign_in(OPERATOR).post(f"{KINDS}{email.pk}/change/", form)

    assert json.loads(LogEntry.objects.get().change_message)[0]["values"] == {
        "label": ["Email", "Mail"], "limit_per_profile": [None, 3], "blocked_values": [[], ["nobody@example.com"]],
    }  # fmt: skip


def test_the_history_shows_what_api_and_admin_changed_to_those_who_see_personal_data(email):
    api_of(OPERATOR).send("patch", "identifier-kinds/email/", {"blocked_values": ["nobody@example.com"]})
    operator, viewer = sign_in(OPERATOR), sign_in(VIEWER)
    operator.post(f"{KINDS}{email.pk}/move/up/")

    shown = operator.get(f"{KINDS}{email.pk}/history/").content.decode()
    hidden = viewer.get(f"{KINDS}{email.pk}/history/").content.decode()

    assert "priority: 50 → 40" in shown
    assert "nobody@example.com" in shown
    assert "Changed blocked values." in hidden
    assert "nobody@example.com" not in hidden


def test_a_password_is_never_in_it():
    ann = User.objects.create_user("ann", password="a secret of old")
    admin = sign_in(ADMIN)

    typed = {"password1": "a secret of today", "password2": "a secret of today", "usable_password": "true"}
    admin.post(f"/admin/cdp/user/{ann.pk}/password/", typed)

    ann.refresh_from_db()
    assert ann.check_password("a secret of today")
    assert json.loads(LogEntry.objects.get().change_message) == [{"changed": {"fields": ["password"]}, "values": {}}]


def test_whom_the_audit_names_stays(email):
    editor, admin = sign_in(OPERATOR), sign_in(ADMIN)
    editor.post(f"{KINDS}{email.pk}/move/up/")
    user = LogEntry.objects.get().user

    answer = admin.post(f"/admin/cdp/user/{user.pk}/delete/", {"post": "yes"})

    assert User.objects.filter(pk=user.pk).exists()
    assert "Entries of the audit: switch the account off instead." in answer.content.decode()


def test_rows_of_a_form_keep_their_values():
    tag = TagFactory(kind="manual", key="card", name="Card")
    gold = TagValueFactory(tag=tag, key="gold", name="Gold", position=0)
    row = {"id": gold.pk, "tag": tag.pk, "key": "gold", "name": "Golden", "position": 0, "rule": ""}
    form = {"name": "Card", "category": "loyalty", "description": "", "seen_version": tag.rule_version}
    counts = {"values-TOTAL_FORMS": 1, "values-INITIAL_FORMS": 1}
    rows = {f"values-0-{name}": value for name, value in row.items()}

    sign_in(OPERATOR).post(f"/admin/tags/tag/{tag.pk}/change/", {**form, **counts, **rows})

    of_the_tag, of_the_value = json.loads(LogEntry.objects.get().change_message)
    assert of_the_tag["values"] == {"category": ["", "loyalty"]}
    assert of_the_value["values"] == {"name": ["Gold", "Golden"]}
    assert of_the_value["changed"]["object"] == "Golden"
