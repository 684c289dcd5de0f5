"""Changing identifier kinds: what is refused changes nothing, and what is there stays as it is."""

import pytest
from django.core.exceptions import ValidationError
from django.db import transaction

from cdp.models import Run
from profiles.identity.kinds import load_kinds
from profiles.models import IdentifierKind
from profiles.services.kinds import (
    KindInUse,
    delete_kind,
    known_among,
    move_kind,
    order_kinds,
    save_kind,
    use_of,
)
from tests.elsewhere import Elsewhere
from tests.factories.profiles import IdentifierFactory, ProfileFactory, SourceFactory
from tests.factories.segments import SegmentFactory

pytestmark = pytest.mark.django_db

SHIPPED = [
    "user_id", "wechat_unionid", "member_card", "phone", "email", "wechat_openid", "device_id", "anonymous_id",
]  # fmt: skip


def kind_of(key):
    return IdentifierKind.objects.get(key=key)


def order():
    return list(IdentifierKind.objects.order_by("priority").values_list("key", flat=True))


def new_kind(**fields):
    return IdentifierKind(**{"key": "till_id", "label": "Till id", "normaliser": "card"} | fields)


def refused(kind):
    """The errors by field; nothing was saved."""
    before = list(IdentifierKind.objects.values().order_by("pk"))
    with pytest.raises(ValidationError) as error:
        save_kind(kind, user=None)
    assert list(IdentifierKind.objects.values().order_by("pk")) == before
    return error.value.message_dict


@pytest.mark.parametrize(
    ("is_personal", "expected"),
    [(True, [*SHIPPED[:6], "till_id", *SHIPPED[6:]]), (False, [*SHIPPED, "till_id"])],
    ids=["personal", "device"],
)
def test_a_new_kind_has_its_place_before_devices_if_it_is_a_persons(is_personal, expected):
    save_kind(new_kind(is_personal=is_personal), user=None)

    assert order() == expected
    assert list(IdentifierKind.objects.values_list("priority", flat=True)) == list(range(10, 100, 10))


def test_a_free_priority_is_taken_as_it_is():
    save_kind(new_kind(priority=15), user=None)

    assert order() == ["user_id", "till_id", *SHIPPED[1:]]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"key": "lookup"}, "key"),
        ({"key": "order"}, "key"),
        ({"key": "no spaces"}, "key"),
        ({"key": "email"}, "key"),
        ({"label": ""}, "label"),
        ({"normaliser": "soundex"}, "normaliser"),
        ({"limit_per_profile": 0}, "limit_per_profile"),
        ({"priority": 40}, "priority"),
        ({"priority": 10_001}, "priority"),
        ({"blocked_values": ["null"]}, "blocked_values"),
        ({"blocked_values": [f"C{n}" for n in range(501)]}, "blocked_values"),
    ],
)
def test_what_a_kind_cannot_be(fields, field):
    assert list(refused(new_kind(**fields))) == [field]


def test_a_kind_in_use_keeps_its_key_and_its_normaliser():
    save_kind(new_kind(), user=None)
    kind = kind_of("till_id")
    kind.normaliser = "text"
    save_kind(kind, user=None)
    IdentifierFactory(kind_key="till_id")

    kind.key, kind.normaliser = "cash_id", "card"

    assert list(refused(kind)) == ["key", "normaliser"]


def test_a_shipped_kind_keeps_its_normaliser():
    kind = kind_of("member_card")
    kind.normaliser = "text"

    assert list(refused(kind)) == ["normaliser"]


def test_blocked_values_are_written_as_they_will_be_compared():
    kind = kind_of("phone")
    kind.blocked_values = ["138 0013 8000", "+8613800138000", "+47 40 00 00 00"]

    save_kind(kind, user=None)

    assert kind_of("phone").blocked_values == ["+8613800138000", "+4740000000"]


def test_a_blocked_value_that_could_never_come_is_named():
    kind = kind_of("phone")
    kind.blocked_values = ["+8613800138000", "12", "hello"]

    assert refused(kind)["blocked_values"] == [
        "These values can be no identifiers of this kind, or name nobody in any kind; leave them out: 12, hello."
    ]


def test_blocking_leaves_identifiers_where_they_are():
    identifier = IdentifierFactory(kind_key="phone", value="+8613800138000")
    kind = kind_of("phone")
    kind.blocked_values = ["13800138000"]

    save_kind(kind, user=None)

    identifier.refresh_from_db()
    assert known_among(kind.blocked_values, kind) == 1


def test_a_lower_limit_counts_who_exceeds_it_and_splits_nobody():
    ann, bob = ProfileFactory(), ProfileFactory()
    for profile, n in [(ann, 3), (bob, 2)]:
        for number in range(n):
            IdentifierFactory(kind_key="email", profile=profile, value=f"{profile.pk}-{number}@example.com")
    kind = kind_of("email")
    kind.limit_per_profile = 2

    save_kind(kind, user=None)

    use = use_of(kind)
    assert (use.n_identifiers, use.n_over_limit) == (5, 1)
    assert (ann.identifiers.count(), bob.identifiers.count()) == (3, 2)


def test_who_is_known_is_judged_again_when_a_kind_becomes_personal():
    known = {"op": "attribute", "key": "is_known", "is": "eq", "value": True}
    SegmentFactory(key="known", rule=known)
    SegmentFactory(key="oslo", rule={"op": "attribute", "key": "city", "is": "eq", "value": "Oslo"})
    kind = kind_of("device_id")
    kind.is_personal = True

    save_kind(kind, user=None)

    assert list(Run.objects.values_list("kind", "subject")) == [("refresh", "segment:known")]


@pytest.mark.parametrize(("key", "up", "place"), [("phone", True, 2), ("phone", False, 4), ("user_id", True, 0),
                                                  ("anonymous_id", False, 7)])  # fmt: skip
def test_a_kind_moves_one_step(key, up, place):
    move_kind(kind_of(key), up=up)

    assert order().index(key) == place
    assert sorted(order()) == sorted(SHIPPED)


def test_kinds_take_the_order_given():
    order_kinds(SHIPPED[::-1])

    assert order() == SHIPPED[::-1]


@pytest.mark.parametrize("keys", [SHIPPED[1:], [*SHIPPED, "x"], [*SHIPPED, "email"]], ids=["one less", "odd", "twice"])
def test_an_order_names_each_kind_once(keys):
    with pytest.raises(ValidationError):
        order_kinds(keys)

    assert order() == SHIPPED


def test_a_kind_that_nothing_speaks_of_can_go():
    save_kind(new_kind(), user=None)

    delete_kind(kind_of("till_id"))

    assert order() == SHIPPED


def test_a_kind_in_use_stays_and_the_message_counts():
    save_kind(new_kind(), user=None)
    IdentifierFactory(kind_key="till_id")
    IdentifierFactory(kind_key="till_id")

    with pytest.raises(KindInUse, match=r"till_id is still used by: 2 identifiers of this kind\."):
        delete_kind(kind_of("till_id"))

    assert "till_id" in order()


def test_a_kind_that_a_rule_asks_for_stays():
    save_kind(new_kind(), user=None)
    SegmentFactory(name="From the till", rule={"op": "identifier", "kind": "till_id"})

    with pytest.raises(KindInUse, match=r"till_id is still used by: From the till\."):
        delete_kind(kind_of("till_id"))

    assert "till_id" in order()


def test_a_kind_that_a_source_names_stays():
    save_kind(new_kind(), user=None)
    SourceFactory(name="Shop", previous_id_kind=kind_of("till_id"))

    with pytest.raises(KindInUse, match="Shop"):
        delete_kind(kind_of("till_id"))

    assert "till_id" in order()


def test_a_shipped_kind_stays():
    with pytest.raises(KindInUse):
        delete_kind(kind_of("device_id"))

    assert order() == SHIPPED


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_an_edit_waits_for_the_batch_that_knows_the_kinds_as_they_were():
    ended = []

    def edit():
        move_kind(kind_of("email"), up=True)
        ended.append("edit")

    with transaction.atomic():
        load_kinds()
        editing = Elsewhere(edit)
        assert editing.come_as_far_as_it_can()
        ended.append("batch")
    editing.finish()

    assert ended == ["batch", "edit"]
