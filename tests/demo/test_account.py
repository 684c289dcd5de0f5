import json
import stat

import pytest

from cdp.models import ApiToken, User
from demo.account import demo_account

pytestmark = pytest.mark.django_db


def test_the_login_is_made_once_and_kept_for_its_owner_alone(tmp_path):
    path = tmp_path / "demo" / "login.json"

    first, second = demo_account(path), demo_account(path)

    assert first == second
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["login.json"]
    user = User.objects.get(username="admin")
    assert user.is_superuser
    assert user.check_password(first.password)
    assert ApiToken.objects.get().digest == ApiToken.digest_of(first.token)


def test_a_password_that_somebody_set_is_left_and_not_shown(tmp_path):
    user = User.objects.create_superuser("admin", password="their own")

    account = demo_account(tmp_path / "login.json")

    assert account.password == ""
    user.refresh_from_db()
    assert user.check_password("their own")
    assert json.loads((tmp_path / "login.json").read_text())["password"] == ""


def test_another_database_gets_the_same_password_and_a_token_of_its_own(tmp_path):
    before = demo_account(tmp_path / "login.json")
    User.objects.all().delete()

    after = demo_account(tmp_path / "login.json")

    assert after.password == before.password
    assert after.token != before.token
    assert User.objects.get(username="admin").check_password(after.password)


def test_a_lost_file_means_a_new_token_and_no_second_account(tmp_path):
    before = demo_account(tmp_path / "login.json")

    after = demo_account(tmp_path / "elsewhere.json")

    assert after.token != before.token
    assert ApiToken.objects.get().digest == ApiToken.digest_of(after.token)
    assert User.objects.filter(username="token:demo").count() == 1
