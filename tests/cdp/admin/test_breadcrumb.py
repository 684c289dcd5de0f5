"""Names of things in the breadcrumb."""

import pytest
from django.utils.translation import override

from cdp.roles import ADMIN, VIEWER
from cdp.templatetags.menu import menu_path
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


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("/admin/profiles/source/3/change/", ["Data", "Sources", "till"]),
        ("/admin/profiles/violation/quality/", ["Data", "Data quality", "till"]),
        ("/admin/profiles/violation/", ["Data", "Data quality", "till"]),
        ("/admin/profiles/importmapping/add/", ["Data", "Saved mappings", "till"]),
        ("/admin/profiles/profilemerge/", ["Customers", "Merges", "till"]),
        ("/admin/campaigns/campaign/1/change/", ["Campaigns", "till"]),
        ("/admin/campaigns/delivery/outbox/autumn/", ["Campaigns", "Outbox", "till"]),
        ("/admin/tags/score/", ["App", "Model", "till"]),
    ],
)
def test_a_page_is_where_the_sidebar_has_it(address, path, rf):
    parts = [{"title": "App"}, {"title": "Model"}, {"title": "till"}]

    with override("en"):
        assert [str(part["title"]) for part in menu_path(rf.get(address), parts)] == path


def test_the_page_on_data_quality_is_called_so():
    page = sign_in(ADMIN).get("/admin/profiles/violation/quality/", headers={"accept-language": "en"})

    shown = [line for line in crumbs(page.content.decode()) if line in ("Customers", "Data", "Data quality")]
    assert shown[-2:] == ["Data", "Data quality"]
