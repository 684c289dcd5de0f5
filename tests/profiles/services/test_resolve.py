"""Finding profiles by what others know of them."""

import pytest

from profiles.models import IdentifierKind
from profiles.services.resolve import find_by_identifiers, find_by_public_ids
from tests.factories.profiles import IdentifierFactory, ProfileFactory

pytestmark = pytest.mark.django_db


def test_an_identifier_finds_its_profile_however_it_is_written():
    ann = IdentifierFactory(kind_key="phone", value="+8613800138000").profile

    written = ("phone", "１３８ 0013-8000")
    assert find_by_identifiers([written]) == {written: ann.pk}
    assert find_by_identifiers([("phone", "(415) 555-2671")], region="US") == {}


def test_an_identifier_that_was_blocked_later_is_still_found():
    ann = IdentifierFactory(kind_key="phone", value="+8613800138000").profile
    IdentifierKind.objects.filter(key="phone").update(blocked_values=["+8613800138000"])

    assert find_by_identifiers([("phone", "13800138000")]) == {("phone", "13800138000"): ann.pk}


def test_a_merged_away_id_finds_the_survivor():
    ann = ProfileFactory()
    old = ProfileFactory(merged_into=ann)

    assert find_by_public_ids([old.public_id, ann.public_id]) == {old.public_id: ann.pk, ann.public_id: ann.pk}


@pytest.mark.parametrize("reference", [("phone", ""), ("phone", "000"), ("colour", "red"), ("email", "a\0@b.c")])
def test_what_nobody_has_finds_nobody(reference):
    assert find_by_identifiers([reference]) == {}


@pytest.mark.parametrize("public_id", ["", "nonsense", "00000000-0000-4000-8000-000000000000"])
def test_an_id_that_nobody_has_finds_nobody(public_id):
    assert find_by_public_ids([public_id]) == {}


def test_many_identifiers_take_two_queries(django_assert_num_queries):
    owners = {("user_id", f"u{n}"): IdentifierFactory(value=f"u{n}").profile_id for n in range(20)}

    with django_assert_num_queries(2):
        found = find_by_identifiers([*owners, ("user_id", "nobody")])

    assert found == owners
