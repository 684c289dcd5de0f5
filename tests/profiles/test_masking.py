import pytest
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
    masking_for,
)
from profiles.models import AttributeDefinition
from tests.factories.cdp import UserFactory

OPEN_CONDITIONS = [
    {"op": "tier", "scheme": "club", "in": ["gold"]},
    {"op": "identifier", "kind": "email"},
    {"op": "consent", "channel": "email", "is": "granted"},
    {"op": "bucket", "salt": "spring", "from": 0, "to": 12.5},
]


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
    for key in ("n_pets", "note", "motto"):
        AttributeDefinition.objects.create(key=key)
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
        "motto": "Carpe diem",
        "never declared": "Ann",
        "nor this": 13911112222,
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
        "motto": "Carpe diem",
        "never declared": MASK,
        "nor this": MASK,
    }
    assert mask_attributes(attributes, fresh("operator")) == attributes


def test_raw_values_that_did_not_fit_are_masked_by_their_key(db):
    viewer = fresh("viewer")

    assert mask_attribute("birthday", {"year": 1990}, viewer) == MASK
    assert mask_attribute("city", {"phone": "138", "zone": "CN"}, viewer) == {"phone": MASK, "zone": MASK}


def test_event_properties_are_masked_at_any_depth_but_goods_keep_their_names(db):
    properties = {
        "firstName": "Ann",
        "order": {"buyer": {"E-Mail": "a@b.cn", "Phone_Number": 138, "city": "Oslo"}, "total": 12.5, "gift": True},
        "products": [{"name": "Tea", "email": "a@b.cn"}],
        "guests": [{"name": "Bo"}],
        "userId": "u1",
    }

    assert mask_event_properties(properties, fresh("viewer")) == {
        "firstName": MASK,
        "order": {"buyer": {"E-Mail": MASK, "Phone_Number": MASK, "city": "Oslo"}, "total": 12.5, "gift": True},
        "products": [{"name": "Tea", "email": MASK}],
        "guests": [{"name": MASK}],
        "userId": MASK,
    }
    assert mask_event_properties(properties, fresh("integration")) == properties


# What people of shops call personal data, and what they write into free text.
PERSONAL_TRAITS = {
    "homePhone": "13911112222",
    "contact_phone": "98765432",
    "phone2": 13911112222,
    "wechat": "ann_w",
    "weixin": "ann_w",
    "openid": "oX1",
    "idNo": "11010519491231002X",
    "passport": "E1",
    "nick": "Annie",
    "notes": "call 13911112222",
}
PERSONAL_PROPERTIES = {
    **PERSONAL_TRAITS,
    "customerName": "Ann",
    "receiver": "Ann",
    "consignee": "Ann",
    "shipping_address": {"line1": "Main Street 1"},
    "shipping_address.line1": "Main Street 1",
    "user": {"first": "Ann"},
    "user.first": "Ann",
    "to": "Ann",
    "text": "my phone is 13911112222",
    "idNo": 110105194912310,
    "account": 13911112222,
    "unionid": "oX1",
}


def test_traits_that_nobody_cleared_are_masked_whatever_their_names(db):
    for key in PERSONAL_TRAITS:
        AttributeDefinition.objects.create(key=key, is_pii=True, is_discovered=True)
    AttributeDefinition.objects.filter(key__in=["nick", "notes"]).update(is_pii=False)

    shown = mask_attributes({**PERSONAL_TRAITS, "gender": "f"}, fresh("viewer"))

    assert shown == dict.fromkeys(PERSONAL_TRAITS, MASK) | {"nick": "Annie", "gender": "f"}


def test_event_properties_that_may_be_personal_are_masked_whatever_their_names(db):
    shown = mask_event_properties(PERSONAL_PROPERTIES, fresh("viewer"))

    assert shown == dict.fromkeys(PERSONAL_PROPERTIES, MASK) | {"user": {"first": MASK}}


def test_orders_and_goods_stay_readable(db):
    order = {
        "order_id": "20261122-000123", "total": 99.5, "currency": "CNY", "coupon": "SPRING", "city": "上海",
        "products": [{"product_id": "P-1", "sku": "S1", "name": "Tea", "category": "Drinks", "brand": "B", "price": 9}],
    }  # fmt: skip
    viewed = {"product_id": "P-1", "name": "Tea", "variant": "green"}

    assert mask_event_properties(order, fresh("viewer")) == order
    assert mask_event_properties(viewed, fresh("viewer")) == viewed


def test_text_that_holds_a_phone_or_a_card_is_masked_under_any_name(db):
    held = [
        "+86 139 1111 2222",
        "139-1111-2222",
        "(+47) 98765432 or +47 98765432",
        "11010519491231002X",
        "t 8613911112222",
    ]
    free = ["2026-11-22", "SKU 12345678", "20261122000123", "1391111"]

    for text in held:
        assert mask_event_properties({"coupon": text}, fresh("viewer")) == {"coupon": MASK}
    for text in free:
        assert mask_event_properties({"coupon": text}, fresh("viewer")) == {"coupon": text}


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
            {
                "not": {
                    "op": "event",
                    "name": "Login",
                    "where": [{"key": "user.phone", "is": "in", "value": ["138", "139"]}],
                }
            },
            {
                "op": "event",
                "name": "Order Completed",
                "where": [{"key": "products.category", "is": "eq", "value": "Tea"}],
            },
            {"op": "tag", "key": "card", "is": "eq", "value": "gold"},
            {"op": "attribute", "key": "birthday", "is": "in_month", "value": 5},
            {"op": "attribute", "key": "unknown", "is": "eq", "value": "x"},
            *OPEN_CONDITIONS,
        ]
    }

    assert mask_rule(rule, fresh("viewer")) == {
        "all": [
            {"op": "attribute", "key": "email", "is": "eq", "value": MASK},
            {"op": "attribute", "key": "city", "is": "eq", "value": "Oslo"},
            {"not": {"op": "event", "name": "Login", "where": [{"key": "user.phone", "is": "in", "value": [MASK]}]}},
            {
                "op": "event",
                "name": "Order Completed",
                "where": [{"key": "products.category", "is": "eq", "value": "Tea"}],
            },
            {"op": "tag", "key": "card", "is": "eq", "value": "gold"},
            {"op": "attribute", "key": "birthday", "is": "in_month", "value": 5},
            {"op": "attribute", "key": "unknown", "is": "eq", "value": MASK},
            *OPEN_CONDITIONS,
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


@pytest.mark.parametrize(
    ("code", "reason", "shown"),
    [
        ("invalid", "type 'Ann O\\'Hara \"x\"' is not taken", f"type {MASK} is not taken"),
        ("invalid", 'timestamp "Ann\'s" is not an ISO 8601 time', f"timestamp {MASK} is not an ISO 8601 time"),
        ("failed", "could not be processed: DataError: for Ann: Olsen", f"could not be processed: DataError: {MASK}"),
        ("schema", 'properties.a: is not of type "number"', 'properties.a: is not of type "number"'),
        ("unplanned", "event 'Booked' is not a planned event", "event 'Booked' is not a planned event"),
        ("unplanned", "traits.ann@example.com: is not planned", f"{MASK} is not planned"),
    ],
)
def test_a_reason_quotes_nothing_of_the_message(db, code, reason, shown):
    assert masking_for(fresh("viewer")).reason(code, reason) == shown
    assert masking_for(fresh("operator")).reason(code, reason) == reason


def test_names_that_are_addresses_or_numbers_are_masked(db):
    gifts = {"gifts": {"ann@example.com": 1, "bag": 2}, "13812345678": 3, "points of bo@example.com": 4}

    shown = mask_event_properties(gifts, fresh("viewer"))

    assert shown == {"gifts": {MASK: 1, "bag": 2}, MASK: 3, f"points of {MASK}": 4}
    assert mask_attributes({"13812345678": "x"}, fresh("viewer")) == {MASK: MASK}
    assert mask_event_properties(gifts, fresh("operator")) == gifts
