"""Names of things in the breadcrumb."""

import pytest

from cdp.roles import ADMIN, VIEWER
from tests.factories.profiles import AttributeDefinitionFactory, ProfileFactory
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db


def crumbs(page):
    return [line.strip() for line in page.split("<main")[0].splitlines()]


def test_a_name_stays_as_it_is_written():
    definition = AttributeDefinitionFactory(key="shoe_size", label="")

    page = sign_in(ADMIN).get(f"/admin/profiles/attributedefinition/{definition.pk}/change/").content.decode()

    assert "shoe_size" in page
    assert "Shoe_size" not in page


def test_a_person_is_called_by_name_or_by_the_start_of_their_id():
    profile = ProfileFactory(attributes={"name": "ann"})
    address = f"/admin/profiles/profile/{profile.pk}/change/"

    assert "ann" in crumbs(sign_in(ADMIN).get(address).content.decode())
    assert f"••• {str(profile.public_id)[:8]}" in crumbs(sign_in(VIEWER).get(address).content.decode())
