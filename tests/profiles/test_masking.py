from django.contrib.auth.models import AnonymousUser

from cdp.disclosure import may_see_pii
from profiles.masking import (
    MASK,
    mask_address,
    mask_attribute,
    mask_attributes,
    mask_event_properties,
    mask_identifier,
    mask_rule,
)
from profiles.models import AttributeDefinition
from tests.factories.cdp import UserFactory


def fresh(role):
    """A user as a request loads it: nothing kept from before."""
    return type(made := UserFactory(role=role)).objects.get(pk=made.pk)


def test_only_roles_with_view_pii_see_personal_data(db):
    seeing = {
        role: may_see_pii(UserFactory(role=role))
        for role in ("viewer", "operator", "campaign_manager", "integration", "privacy_officer", "admin")
    }

    assert seeing == {
        "viewer": False,
        "operator": True,
        "campaign_manager": False,
        "integration": True,
        "privacy_officer": True,
        "admin": True,
    }
    assert not may_see_pii(AnonymousUser())
    assert not may_see_pii(UserFactory(role="admin", is_active=False))


def test_personal_attributes_are_masked_whole_and_others_stay(db):
    AttributeDefinition.objects.create(key="address", is_pii=True)
    attributes = {
        "name": "Ann",
        "email": "ann@example.com",
        "birthday": None,
        "address.street": "Main Street 1",
        "address": {"street": "Main Street 1"},
        "phone": [{"raw": "+86 138"}],
        "member_card": "C-1",
        "city": "上海",
        "n_pets": 2,
        "note": "write to ann@example.com",
    }

    assert mask_attributes(attributes, fresh("viewer")) == {
        "name": MASK,
        "email": MASK,
        "birthday": None,
        "address.street": MASK,
        "address": MASK,
        "phone": MASK,
        "member_card": MASK,
        "city": "上海",
        "n_pets": 2,
        "note": MASK,
    }
    assert mask_attributes(attributes, fresh("operator")) == attributes


def test_raw_values_that_did_not_fit_are_masked_by_their_key(db):
    viewer = fresh("viewer")

    assert mask_attribute("birthday", {"year": 1990}, viewer) == MASK
    assert mask_attribute("city", {"phone": "138", "zone": "CN"}, viewer) == {"phone": MASK, "zone": "CN"}


def test_event_properties_are_masked_at_any_depth_but_goods_keep_their_names(db):
    properties = {
        "firstName": "Ann",
        "order": {"customer": {"E-Mail": "a@b.cn", "Phone_Number": 138, "city": "Oslo"}, "total": 12.5},
        "products": [{"name": "Tea", "email": "a@b.cn"}],
        "guests": [{"name": "Bo"}],
        "userId": "u1",
    }

    assert mask_event_properties(properties, fresh("viewer")) == {
        "firstName": MASK,
        "order": {"customer": {"E-Mail": MASK, "Phone_Number": MASK, "city": "Oslo"}, "total": 12.5},
        "products": [{"name": "Tea", "email": MASK}],
        "guests": [{"name": MASK}],
        "userId": MASK,
    }
    assert mask_event_properties(properties, fresh("integration")) == properties


def test_identifiers_of_personal_and_unknown_kinds_are_masked(db):
    viewer = fresh("viewer")

    assert mask_identifier("email", "ann@example.com", viewer) == MASK
    assert mask_identifier("never_heard_of", "x", viewer) == MASK
    assert mask_identifier("anonymous_id", "a-1", viewer) == "a-1"
    assert mask_identifier("email", "ann@example.com", fresh("operator")) == "ann@example.com"


def test_addresses_are_masked_and_none_stays_none(db):
    viewer = fresh("viewer")

    assert mask_address("ann@example.com", viewer) == MASK
    assert mask_address("", viewer) == ""
    assert mask_address("ann@example.com", fresh("admin")) == "ann@example.com"


def test_rules_are_masked_where_they_compare_personal_values(db):
    rule = {
        "all": [
            {"op": "attribute", "key": "email", "is": "eq", "value": "ann@example.com"},
            {"op": "attribute", "key": "city", "is": "eq", "value": "Oslo"},
            {"not": {"op": "event", "name": "Login", "where": [{"key": "user.phone", "is": "in", "value": ["138"]}]}},
        ]
    }

    assert mask_rule(rule, fresh("viewer")) == {
        "all": [
            {"op": "attribute", "key": "email", "is": "eq", "value": MASK},
            {"op": "attribute", "key": "city", "is": "eq", "value": "Oslo"},
            {"not": {"op": "event", "name": "Login", "where": [{"key": "user.phone", "is": "in", "value": MASK}]}},
        ]
    }
    assert mask_rule(rule, fresh("operator")) == rule


def test_names_are_read_once_a_request_and_not_once_a_row(db, django_assert_num_queries):
    viewer, operator = fresh("viewer"), fresh("operator")
    viewer.has_perm("x.y"), operator.has_perm("x.y")  # Django reads permissions once, as the request does

    with django_assert_num_queries(2):
        for _row in range(20):
            mask_attributes({"email": "a"}, viewer)
            mask_identifier("email", "a", viewer)
    with django_assert_num_queries(0):
        mask_attributes({"email": "a"}, operator)
