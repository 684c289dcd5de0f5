"""Every page of the admin, as several roles: it answers, and shows personal data only to those who may see it."""

from __future__ import annotations

import html
import re

import pytest
from django.contrib import admin
from django.db.models import CharField, JSONField, TextField, UUIDField
from django.urls import reverse

from campaigns.models import Campaign, Suppression
from cdp.models import Run, User
from cdp.roles import ADMIN, CAMPAIGN_MANAGER, OPERATOR, VIEWER
from profiles.models import ProfileMerge
from segments.models import Segment
from tags.models import Tag
from tests.admin_world import EMAIL, NAME, PERSONAL, STREET, make_world, pages
from tests.factories.cdp import UserFactory
from tests.factories.profiles import SourceFactory
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("role", "language"), [(VIEWER, "zh-hans"), (CAMPAIGN_MANAGER, "en")])
def test_no_page_shows_personal_data_to_those_who_may_not_see_it(role, language):
    world, client = make_world(), sign_in(role, language=language)

    answers = {page: client.get(page, follow=True) for page in pages(world)}

    assert {page: answer.status_code for page, answer in answers.items() if answer.status_code not in (200, 403)} == {}
    shown = {page: answer.content.decode() for page, answer in answers.items()}
    assert {(page, word) for page, text in shown.items() for word in (*PERSONAL, STREET) if word in text} == set()


@pytest.mark.parametrize(("role", "language"), [(OPERATOR, "en"), (ADMIN, "zh-hans")])
def test_those_who_may_see_personal_data_do(role, language):
    world, client = make_world(), sign_in(role, language=language)

    answers = {page: client.get(page, follow=True) for page in pages(world)}

    assert {page: answer.status_code for page, answer in answers.items() if answer.status_code not in (200, 403)} == {}
    text = "".join(answer.content.decode() for answer in answers.values())
    assert [word for word in (NAME, EMAIL, STREET) if word not in text] == []


def test_a_name_cannot_be_found_out_by_its_beginnings():
    make_world()

    found = sign_in(VIEWER).get("/admin/profiles/profile/", {"q": "Zyx"}).context["cl"].result_list

    assert list(found) == []


def test_no_list_answers_what_its_filters_do_not_ask():
    make_world()
    client = sign_in(is_superuser=True)

    answers = {}
    for model in admin.site._registry:
        address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        for field in model._meta.get_fields():
            if isinstance(field, CharField | TextField | JSONField | UUIDField):
                names = (field.name, f"{field.name}__name") if isinstance(field, JSONField) else (field.name,)
                for lookup in (f"{name}__{word}" for name in names for word in ("startswith", "icontains", "gte")):
                    answers[f"{address}?{lookup}"] = client.get(address, {lookup: "a"}).status_code

    assert len(answers) > 100
    assert {address: status for address, status in answers.items() if status != 400} == {}


def test_every_list_answers_what_its_filters_ask():
    make_world()
    client = sign_in(is_superuser=True)

    answers = {}
    for model in admin.site._registry:
        address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        for spec in client.get(address).context["cl"].filter_specs:
            for parameter in spec.expected_parameters():
                answers[f"{address}?{parameter}"] = client.get(address, {parameter: "1"}, follow=True).status_code

    assert len(answers) > 20
    assert {address: status for address, status in answers.items() if status != 200} == {}


def test_an_address_that_was_cut_or_mistyped_is_no_failure():
    world, client = make_world(), sign_in(is_superuser=True)
    addresses = []
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        for object_id in ("junk", "1_", "9" * 30, "-1", "%00"):
            addresses += [
                reverse(f"{name}_{page}", args=["ID"]).replace("ID", object_id) for page in ("change", "history")
            ]
        addresses += [f"{reverse(f'{name}_changelist')}?{parameter}=%00" for parameter in ("q", "o", "p", "e")]
        for spec in client.get(reverse(f"{name}_changelist")).context["cl"].filter_specs:
            addresses += [f"{reverse(f'{name}_changelist')}?{each}=a%00" for each in spec.expected_parameters()]
    addresses += [
        f"{page}{'&' if '?' in page else '?'}kind=%00&segment=%00&q=%00&cause__exact=%00" for page in pages(world)
    ]

    answers = {address: client.get(address, follow=True).status_code for address in addresses}

    assert len(answers) > 250
    assert {address: status for address, status in answers.items() if status not in (200, 400, 404)} == {}


@pytest.mark.parametrize("role", [VIEWER, CAMPAIGN_MANAGER, OPERATOR])
def test_nobody_is_led_to_an_account_whose_page_they_may_not_open(role):
    make_world()
    somebody, client = UserFactory(username="somebody-else"), sign_in(role)
    led, named = [], set()
    for model in admin.site._registry:
        fields = [field.name for field in model._meta.fields if field.related_model is User and field.null]
        if fields and not issubclass(model, User):
            model._default_manager.update(**dict.fromkeys(fields, somebody))
            for pk in model._default_manager.values_list("pk", flat=True):
                page = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[pk])
                text = client.get(page).content.decode()
                led += [page] * ("/admin/cdp/user/" in text)
                named |= {model} if "somebody-else" in text else set()

    assert led == []
    assert named >= {Run, ProfileMerge, Campaign, Suppression, Segment, Tag}


def test_no_link_of_a_list_stands_within_another():
    make_world()
    client = sign_in(is_superuser=True)
    lists = [
        reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist") for model in admin.site._registry
    ]

    nested = [page for page in lists if re.search(r"<a\b(?:(?!</a>).)*<a\b", client.get(page).content.decode(), re.S)]

    assert len(lists) > 20
    assert nested == []


def test_a_write_key_is_for_those_who_may_change_its_source():
    source = SourceFactory()

    shown = {role: sign_in(role).get(f"/admin/profiles/source/{source.pk}/change/") for role in (VIEWER, OPERATOR)}

    assert source.write_key not in shown[VIEWER].content.decode()
    assert source.write_key in shown[OPERATOR].content.decode()


def test_an_empty_list_says_what_will_stand_there_and_a_search_without_finds_how_to_get_back():
    client = sign_in(is_superuser=True)
    lists = [
        (reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"), model_admin)
        for model, model_admin in admin.site._registry.items()
        if model_admin.empty_text
    ]

    assert len(lists) >= 12
    for address, model_admin in lists:
        assert str(model_admin.empty_text) in html.unescape(client.get(address).content.decode()), address

    searched = client.get(reverse("admin:profiles_source_changelist"), {"q": "none such"}).content.decode()
    assert "Nothing matches the search and the filters." in searched
    assert "Make one for each shop" not in searched
