"""API tokens in the admin."""

from datetime import UTC, datetime

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from cdp.models import ApiToken, User
from cdp.roles import ADMIN, OPERATOR, VIEWER
from cdp.tokens import issue_token
from tests.clients import ApiClient
from tests.factories.cdp import ApiTokenFactory
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db
ADD = "/admin/cdp/apitoken/add/"


def test_a_token_is_shown_once_and_never_again():
    client = sign_in(ADMIN)

    answer = client.post(ADD, {"name": "till", "role": VIEWER, "expires_at_0": "", "expires_at_1": ""})

    text = answer.context["token"]
    token = ApiToken.objects.get(name="till")
    assert ApiToken.digest_of(text) == token.digest
    assert text in answer.content.decode()
    assert "no-store" in answer.headers["Cache-Control"]
    assert [group.name for group in token.user.groups.all()] == [VIEWER]
    for page in (f"/admin/cdp/apitoken/{token.pk}/change/", "/admin/cdp/apitoken/", "/admin/"):
        assert text not in client.get(page).content.decode()


def test_a_token_that_has_ended_is_not_made():
    answer = sign_in(ADMIN).post(
        ADD, {"name": "till", "role": VIEWER, "expires_at_0": "2020-01-01", "expires_at_1": "00:00"}
    )

    assert answer.context["adminform"].form.errors == {"expires_at": ["This time has passed."]}
    assert not ApiToken.objects.exists()


def test_deleting_a_token_deletes_its_account():
    token = ApiTokenFactory(role=VIEWER)

    sign_in(ADMIN).post(f"/admin/cdp/apitoken/{token.pk}/delete/", {"post": "yes"})

    assert not ApiToken.objects.exists()
    assert not User.objects.filter(pk=token.user_id).exists()


def test_the_account_of_a_deleted_token_stays_where_the_audit_names_it():
    token, text = issue_token("till", role=OPERATOR)
    ApiClient(headers={"Authorization": f"Bearer {text}"}).send("patch", "identifier-kinds/email/", {"label": "Mail"})

    sign_in(ADMIN).post(f"/admin/cdp/apitoken/{token.pk}/delete/", {"post": "yes"})

    account = User.objects.get(pk=token.user_id)
    assert not ApiToken.objects.exists()
    assert (account.is_active, account.username) == (False, f"token:till #{account.pk}")
    assert LogEntry.objects.filter(user=account).count() == 1
    assert account not in sign_in(ADMIN).get("/admin/cdp/user/").context["cl"].result_list


def test_operators_make_no_tokens():
    assert sign_in(OPERATOR).post(ADD, {"name": "till", "role": ADMIN}).status_code == 403
    assert not ApiToken.objects.exists()


def test_accounts_of_tokens_are_not_among_the_users():
    token = ApiTokenFactory(role=VIEWER)

    users = sign_in(ADMIN).get("/admin/cdp/user/").context["cl"].result_list

    assert token.user not in users


@pytest.mark.parametrize(
    ("zone", "hour"),
    [("Asia/Shanghai", 15), ("America/New_York", 23)],
)
def test_one_that_never_expires_is_shown_and_good(zone, hour):
    client = sign_in(ADMIN)
    with timezone.override(zone):
        given = {"expires_at_0": "9999-12-31", "expires_at_1": "23:59:59"}
        made = client.post(ADD, {"name": "till", "role": VIEWER, **given})

        assert ApiToken.objects.get(name="till").expires_at == datetime(9999, 12, 31, hour, 59, 59, tzinfo=UTC)
        assert client.get("/admin/cdp/apitoken/").status_code == 200
        api = ApiClient(headers={"Authorization": f"Bearer {made.context['token']}"})
        assert api.send("get", "segments/").status_code == 200
