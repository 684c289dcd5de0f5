"""Whatever comes in: an answer below 500, a problem that names the place, and nothing changed by what was refused."""

import itertools
import json

import pytest
from django.apps import apps
from django.db import transaction

from cdp.models import ApiToken
from tests.cdp.api.world import bodies, filled, make_world, operations, schema_paths
from tests.clients import api_of

WRONG = [
    None, True, -1, 2**63, float("nan"), "", "x" * 10_000, "a\x00b", [None], {}, {"op": "segment"},
]  # fmt: skip
NOT_JSON = [b"{", b"\xff\xfe", b"NaN", b"[1,]", b"{'a': 1}", b"[" * 2000, b'{"a": "\xc3\x28"}']
NO_OBJECT = [b"null", b"7", b'"x"', b"[]", b"[{}]", b"true"]
pytestmark = pytest.mark.django_db


@pytest.fixture
def world():
    return make_world()


def snapshot():
    """Every row of every table of ours, but for the tokens' last use."""
    return {
        model._meta.label: sorted(map(repr, model._default_manager.values_list()))
        for model in apps.get_models()
        if model._meta.app_config.name in ("cdp", "profiles", "tags", "segments", "campaigns") and model is not ApiToken
    }


def check(api, method, path, body):
    """Send, and undo what was accepted."""
    with transaction.atomic():
        response = api.send(method, path, body)
        if response.status_code < 400:
            transaction.set_rollback(True)
            return
    assert response.status_code < 500, body
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["detail"], body


def spoiled(body):
    """The body with each of its values, at any depth, replaced by each wrong one, or left out; and one value more."""
    yield {**body, "no such field": 1}
    for path in places(body):
        for wrong in WRONG:
            yield put(body, path, wrong)


def places(value, path=()):
    """Where a value may be spoiled; the inside of rules has tests of its own."""
    if isinstance(value, dict) and not value.keys().isdisjoint({"op", "all", "not"}):
        return
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from places(item, (*path, key))


def put(body, path, wrong):
    copy = json.loads(json.dumps(body))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = wrong
    return copy


@pytest.mark.parametrize("operation", [pair for pair in operations() if pair[0] in ("post", "patch")], ids=" ".join)
def test_a_body_with_one_wrong_value_breaks_nothing(world, operation):
    method, path = operation
    api, before = api_of("admin"), snapshot()
    given = bodies(world).get(operation)

    for body in spoiled(given) if given else ():
        check(api, method, filled(path, world), body)
    assert snapshot() == before


@pytest.mark.parametrize("operation", list(bodies({"profiles": ""})), ids=" ".join)
def test_a_body_that_is_no_object_is_refused(world, operation):
    method, path = operation
    api, before = api_of("admin"), snapshot()

    for text in [*NOT_JSON, *NO_OBJECT]:
        response = api.generic(method.upper(), f"/api/v1/{filled(path, world)}", text, content_type="application/json")
        assert response.status_code == 400, text
        assert response["Content-Type"] == "application/problem+json"
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        response = api.generic(method.upper(), f"/api/v1/{filled(path, world)}", b"{}", content_type=kind)
        assert response.status_code in (400, 415), kind
    assert snapshot() == before


@pytest.mark.parametrize("operation", [pair for pair in operations() if pair[0] == "get"], ids=" ".join)
def test_wrong_query_parameters_break_nothing(world, operation):
    api = api_of("admin")
    names = [part["name"] for part in schema_paths()[operation].get("parameters", []) if part["in"] == "query"]

    for name, text in itertools.product(names, ["", "x", "-1", "\x00", "9" * 40, "email:\x00💥"]):
        response = api.send("get", filled(operation[1], world), {name: text})
        assert response.status_code in (200, 400), (name, text)


@pytest.mark.parametrize("operation", operations(), ids=" ".join)
def test_an_unknown_query_parameter_is_refused(world, operation):
    method, path = operation
    api, before = api_of("admin"), snapshot()

    response = api.send(method, f"{filled(path, world)}?segmnt=loyal", bodies(world).get(operation))

    assert response.status_code == 400
    assert [error["path"] for error in response.json()["errors"]] == ["segmnt"]
    assert snapshot() == before


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("scores/", "unknown parameter; none is known here"),
        ("tier-schemes/", "unknown parameter; known: cursor, page_size"),
    ],
)
def test_an_unknown_query_parameter_is_told_the_known_ones(path, said):
    response = api_of("viewer").send("get", path, {"segmnt": "loyal"})

    assert response.json()["errors"] == [{"path": "segmnt", "message": said}]


@pytest.mark.parametrize("query", ["sources/?is_enabled=perhaps", "attributes/?is_pii=1", "events/?is_discovered=",
                                   "attributes/?type=colour", "segments/?kind=fluid"])  # fmt: skip
def test_a_filter_that_means_nothing_is_refused_and_an_empty_one_is_none(query):
    expected = 200 if query.endswith("=") else 400

    assert api_of("viewer").send("get", query).status_code == expected


def test_a_body_that_is_too_large_is_refused(world, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000

    response = api_of("admin").send("post", "segments/preview/", {"rule": "x" * 1000})

    assert response.status_code == 413
