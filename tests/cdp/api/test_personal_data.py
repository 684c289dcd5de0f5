"""A walk over every endpoint: who may not see personal data finds none."""

import pytest

from tests.cdp.api.world import EMAIL, MARKER, PHONE, asked, bodies, make_world, operations
from tests.clients import api_of

PERSONAL = (MARKER, PHONE, PHONE[3:-1], "1990-12-31")
pytestmark = pytest.mark.django_db


def answers(role):
    """The text of every GET, and of every other operation with a good body, by operation; changes are undone."""
    world = make_world()
    api = api_of(role)
    given = bodies(world)
    found = {}
    for method, path in sorted(operations(), key=lambda operation: operation[0] != "get"):
        if method == "delete":
            continue
        response = api.send(method, asked(path, world), given.get((method, path)))
        found[method, path] = response.getvalue().decode()
    return found


@pytest.mark.parametrize("role", ["viewer", "campaign_manager"])
def test_a_role_without_view_pii_meets_no_personal_data(role):
    leaking = {
        (operation, word) for operation, text in answers(role).items() for word in PERSONAL if word in text.lower()
    }

    assert leaking == set()


def test_the_same_walk_meets_it_with_view_pii():
    showing = {operation for operation, text in answers("operator").items() if MARKER in text.lower()}

    assert {
        ("get", "profiles/"),
        ("get", "profiles/{id}/"),
        ("get", "profiles/{id}/events/"),
        ("get", "profiles/{id}/explain/"),
        ("post", "profiles/lookup/"),
        ("get", "segments/"),
        ("get", "tags/"),
        ("get", "tier-schemes/"),
        ("get", "campaigns/{key}/deliveries/"),
        ("get", "runs/"),
        ("get", "runs/{id}/"),
        ("get", "runs/{id}/result/"),
    } <= showing


def test_no_error_repeats_what_is_hidden():
    make_world()
    api = api_of("viewer")

    for path in ("profiles/?identifier=email:x", "profiles/?segment=x", "segments/loyal/members/?cursor=x"):
        assert EMAIL not in api.send("get", path).content.decode()
