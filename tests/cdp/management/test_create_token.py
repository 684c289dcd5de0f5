import io

import pytest
from django.core.management import CommandError, call_command

from cdp.models import ApiToken, User
from cdp.roles import ROLE_NAMES
from tests.clients import ApiClient

pytestmark = pytest.mark.django_db


def create(*args):
    out, err = io.StringIO(), io.StringIO()
    call_command("create_token", *args, stdout=out, stderr=err)
    return out.getvalue().strip(), err.getvalue()


@pytest.mark.parametrize("role", ROLE_NAMES)
def test_the_printed_token_works_with_the_rights_of_its_role(role):
    text, said = create("--role", role, "--name", "till")

    account = User.objects.get(username="token:till")
    assert not account.has_usable_password()
    assert not account.is_staff
    assert [group.name for group in account.groups.all()] == [role]
    assert text not in said
    assert ApiClient(headers={"Authorization": f"Bearer {text}"}).send("get", "runs/").status_code == 200


@pytest.mark.parametrize("written", ["campaign manager", "Campaign manager", "campaign_manager"])
def test_a_role_may_be_written_as_people_say_it(written):
    create("--role", written, "--name", "till")

    assert [group.name for group in User.objects.get(username="token:till").groups.all()] == ["campaign_manager"]


def test_only_the_digest_is_kept():
    text, _said = create("--role", "viewer")

    token = ApiToken.objects.get()
    assert token.digest == ApiToken.digest_of(text)
    assert text not in str(ApiToken.objects.values().get())


@pytest.mark.parametrize("args", [["--role", "king"], [], ["--role", "viewer", "--name", "till"]])
def test_a_bad_call_makes_nothing(args):
    create("--role", "viewer", "--name", "till")

    with pytest.raises(CommandError):
        create(*args)

    assert ApiToken.objects.count() == User.objects.count() == 1
