"""Users in the admin."""

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from cdp.models import User
from cdp.roles import VIEWER
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db
ADD = "/admin/cdp/user/add/"
PASSWORD = "a-long-sentence-of-ann"


def test_a_user_added_as_the_form_stands_can_sign_in():
    client = sign_in(is_superuser=True)
    form = client.get(ADD).context["adminform"].form
    given = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    typed = {"username": "ann", "password1": PASSWORD, "password2": PASSWORD}
    roles = {"groups": [Group.objects.get(name=VIEWER).pk]}

    client.post(ADD, {**{name: value for name, value in given.items() if value is not None}, **typed, **roles})

    assert User.objects.get(username="ann").is_staff
    ann = Client()
    answer = ann.post("/admin/login/?next=/admin/", {"username": "ann", "password": PASSWORD}, follow=True)
    assert answer.redirect_chain == [("/admin/", 302)]
    assert answer.context["user"].username == "ann"


@pytest.mark.parametrize(("language", "words"), [("en", "English"), ("zh-hans", "简体中文")])
def test_the_sign_in_page_changes_its_language(language, words):
    client = Client(headers={"accept-language": "en"})
    page = client.get("/admin/login/?next=/admin/cdp/run/")

    changed = client.post("/i18n/setlang/", {"language": language, "next": page.context["request"].get_full_path()})

    assert words in page.content.decode()
    assert changed.url == "/admin/login/?next=/admin/cdp/run/"
    assert f'lang="{language}"' in client.get(changed.url).content.decode()
