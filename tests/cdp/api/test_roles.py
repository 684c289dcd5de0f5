"""Who may do what: one table, and every operation of the schema is in it."""

import pytest
from django.db import transaction

from cdp.roles import ROLE_NAMES
from tests.cdp.api.world import asked, filled, make_world, operations
from tests.clients import api_of

ALL = set(ROLE_NAMES)
RULES = {"operator", "integration", "admin"}
SOURCES = {"operator", "admin"}
IMPORTS = {"operator", "integration", "admin"}
CAMPAIGNS = {"campaign_manager", "integration", "admin"}
CONSENTS = {"operator", "integration", "privacy_officer", "admin"}
MERGES = {"operator", "integration", "admin"}
MAY = {
    ("post", "profiles/merge/"): MERGES,
    ("post", "conflicts/dismiss/"): MERGES,
    ("post", "conflicts/{id}/dismiss/"): MERGES,
    ("post", "conflicts/{id}/merge/"): MERGES,
    ("post", "conflicts/{id}/move/"): MERGES,
    ("post", "conflicts/{id}/reopen/"): MERGES,
    ("post", "profiles/{id}/split/"): MERGES,
    ("post", "profiles/{id}/split/preview/"): MERGES,
    ("post", "merges/{id}/undo/"): MERGES,
    ("post", "merges/{id}/undo/preview/"): MERGES,
    ("post", "separations/lift/"): MERGES,
    ("post", "separations/{id}/lift/"): MERGES,
    ("post", "profiles/lookup/"): {"operator", "integration", "privacy_officer", "admin"},
    ("post", "duplicates/search/"): RULES,
    ("post", "duplicates/{id}/accept/"): RULES,
    ("post", "duplicates/{id}/reject/"): RULES,
    ("post", "duplicates/{id}/reopen/"): RULES,
    ("post", "profiles/{id}/consents/"): CONSENTS,
    ("post", "profiles/consents/"): CONSENTS,
    ("post", "sources/"): SOURCES,
    ("patch", "sources/{key}/"): SOURCES,
    ("delete", "sources/{key}/"): SOURCES,
    ("post", "sources/{key}/write-key/"): SOURCES,
    ("post", "identifier-kinds/"): SOURCES,
    ("patch", "identifier-kinds/{key}/"): SOURCES,
    ("delete", "identifier-kinds/{key}/"): SOURCES,
    ("post", "identifier-kinds/order/"): SOURCES,
    ("post", "attributes/"): SOURCES,
    ("patch", "attributes/{key}/"): SOURCES,
    ("post", "events/"): SOURCES,
    ("patch", "events/{name}/"): SOURCES,
    ("get", "rejected-messages/"): {"operator", "privacy_officer", "admin"},
    ("get", "rejected-messages/{id}/"): {"operator", "privacy_officer", "admin"},
    ("patch", "rejected-messages/{id}/"): SOURCES,
    ("delete", "rejected-messages/{id}/"): SOURCES,
    ("post", "rejected-messages/replay/"): SOURCES,
    ("post", "rejected-messages/discard/"): SOURCES,
    ("post", "tags/"): RULES,
    ("patch", "tags/{key}/"): RULES,
    ("delete", "tags/{key}/"): RULES,
    ("post", "tags/{key}/restore-rules/"): RULES,
    ("post", "tags/{key}/assignments/"): RULES,
    ("delete", "tags/{key}/assignments/"): RULES,
    ("post", "tags/{key}/bulk/"): RULES,
    ("post", "tags/{key}/bulk/undo/"): RULES,
    ("post", "segments/"): RULES,
    ("patch", "segments/{key}/"): RULES,
    ("delete", "segments/{key}/"): RULES,
    ("post", "segments/preview/"): RULES,
    ("post", "segments/{key}/restore-rules/"): RULES,
    ("post", "segments/{key}/refresh/"): RULES,
    ("post", "segments/{key}/duplicate/"): RULES,
    ("post", "segments/{key}/archive/"): RULES,
    ("post", "segments/{key}/alerts/seen/"): RULES,
    ("delete", "segments/{key}/archive/"): RULES,
    ("post", "segments/{key}/profiles/"): RULES,
    ("delete", "segments/{key}/profiles/"): RULES,
    ("post", "segments/{key}/bulk/"): RULES,
    ("post", "segments/{key}/bulk/undo/"): RULES,
    ("post", "scores/{key}/refresh/"): RULES,
    ("post", "tier-schemes/"): RULES,
    ("patch", "tier-schemes/{key}/"): RULES,
    ("post", "tier-schemes/{key}/restore-rules/"): RULES,
    ("delete", "tier-schemes/{key}/"): RULES,
    ("post", "campaigns/"): CAMPAIGNS,
    ("patch", "campaigns/{key}/"): CAMPAIGNS,
    ("delete", "campaigns/{key}/"): {"campaign_manager", "admin"},
    ("post", "campaigns/{key}/launch/"): CAMPAIGNS,
    ("post", "suppressions/"): CONSENTS,
    ("delete", "suppressions/{id}/"): CONSENTS,
    ("get", "webhooks/"): RULES,
    ("get", "webhooks/{key}/"): RULES,
    ("get", "webhooks/{key}/attempts/"): RULES,
    ("post", "webhooks/"): RULES,
    ("patch", "webhooks/{key}/"): RULES,
    ("delete", "webhooks/{key}/"): RULES,
    ("post", "webhooks/{key}/secret/"): RULES,
    ("post", "webhooks/{key}/enable/"): RULES,
    ("post", "webhooks/{key}/disable/"): RULES,
    ("post", "webhooks/{key}/test/"): RULES,
    ("post", "webhooks/{key}/send-again/"): RULES,
    ("post", "webhooks/{key}/send-since/"): RULES,
    ("post", "runs/{id}/cancel/"): {"operator", "admin"},
    ("get", "runs/{id}/result/"): {"operator", "integration", "privacy_officer", "admin"},
    ("post", "imports/"): IMPORTS,
    ("post", "imports/guess/"): IMPORTS,
    ("post", "imports/{id}/start/"): IMPORTS,
    ("post", "imports/{id}/take-back/"): IMPORTS,
    ("post", "imports/{id}/import-again/"): IMPORTS,
    ("get", "imports/{id}/refused/"): {"operator", "integration", "privacy_officer", "admin"},
    ("get", "import-mappings/"): IMPORTS,
    ("get", "import-mappings/{key}/"): IMPORTS,
    ("get", "import-mappings/{key}/files/"): IMPORTS,
    ("post", "import-mappings/"): IMPORTS,
    ("patch", "import-mappings/{key}/"): IMPORTS,
    ("delete", "import-mappings/{key}/"): IMPORTS,
}
pytestmark = pytest.mark.django_db


def test_the_table_names_each_operation_that_changes_something_or_answers_a_post():
    assert {operation for operation in operations() if operation[0] != "get"} <= set(MAY) <= set(operations())


@pytest.mark.parametrize("role", [*ROLE_NAMES, None])
def test_a_role_may_do_what_the_table_says_and_nothing_else(role):
    world = make_world()
    api = api_of(role)

    refused = set()
    for method, path in operations():
        with transaction.atomic():
            response = api.send(method, asked(path, world), None if method == "get" else {"no such field": 1})
            transaction.set_rollback(True)
        if response.status_code == 403:
            refused.add((method, path))
        elif method == "get":
            assert response.status_code == 200, path
            response.getvalue()  # a file is sent to its end

    assert refused == {operation for operation in operations() if role not in MAY.get(operation, ALL)}


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer strata_wrong"}])
def test_without_a_token_nothing_is_answered_but_the_schema(client, header):
    world = make_world()

    for method, path in operations():
        assert getattr(client, method)(f"/api/v1/{filled(path, world)}", headers=header).status_code == 401, path
