import logging

import pytest
from django.core.exceptions import BadRequest, RequestDataTooBig, SuspiciousOperation
from django.db import IntegrityError
from django.test import Client
from rest_framework import exceptions
from rest_framework.response import Response

from cdp.api.problems import as_problem, flatten, rule_problems
from cdp.api.runs import RunViewSet
from cdp.rules.errors import Problem, RuleError
from tests.clients import ApiClient, api_of

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("get", "runs/1/", 404),
        ("get", "runs/x/", 404),
        ("get", "runs", 404),
        ("get", "nowhere/", 404),
        ("post", "nowhere/", 404),
        ("get", "", 404),
        ("post", "runs/", 405),
        ("delete", "runs/", 405),
        ("put", "runs/1/", 405),
        ("get", "runs/?state=lost", 400),
        ("get", "runs/?page_size=0", 400),
    ],
)
def test_every_error_is_a_problem(method, path, status):
    response = api_of("admin").send(method, path)

    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == status
    assert body["type"].startswith("http")
    assert body["title"]
    assert body["detail"]


def test_a_refusal_names_the_permission_that_is_missing():
    body = api_of(None).send("get", "runs/").json()

    assert body["status"] == 403
    assert "cdp.view_run" in body["detail"]


def test_what_nobody_foresaw_is_logged_and_answered_without_details(monkeypatch, caplog):
    api = api_of("viewer")
    api.raise_request_exception = False
    monkeypatch.setattr(RunViewSet, "list", lambda *args: 1 / 0)

    with caplog.at_level(logging.ERROR):
        response = api.send("get", "runs/")

    assert response.status_code == 500
    assert response["Content-Type"] == "application/problem+json"
    assert "division" not in response.content.decode()
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("place", ["answer", "middleware"])
@pytest.mark.parametrize(("language", "detail"), [("en", "Something went wrong here."), ("zh-hans", "服务器出错了。")])
def test_what_fails_outside_of_views_is_a_problem_too(place, language, detail, monkeypatch, caplog):
    api = api_of("viewer")
    api.raise_request_exception = False
    if place == "answer":
        monkeypatch.setattr(RunViewSet, "list", lambda *args, **how: Response({"secret": object()}))
    else:
        monkeypatch.setattr("cdp.nul.NulInAddress.process_view", lambda *args: 1 / 0)

    response = api.send("get", "runs/", accept_language=language)

    assert response.status_code == 500
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert body.pop("type").endswith("/problems/error")
    assert body == {"title": "Internal Server Error", "status": 500, "detail": detail}
    assert [(each.levelname, each.exc_info is not None) for each in caplog.records] == [("ERROR", True)]


@pytest.mark.parametrize(
    ("path", "headers", "status", "slug"),
    [
        ("/api/v1/runs/", {"host": "elsewhere.example"}, 400, "parse-error"),
        ("/api/v2/runs/", {}, 404, "not-found"),
        ("/api/", {}, 404, "not-found"),
    ],
    ids=["host", "version", "root"],
)
def test_what_is_refused_before_the_views_is_a_problem_too(path, headers, status, slug):
    response = Client(headers=headers).get(path)

    assert (response.status_code, response["Content-Type"]) == (status, "application/problem+json")
    assert (response.json()["status"], response.json()["type"].rsplit("/", 1)[1]) == (status, slug)


def test_people_are_answered_by_a_page():
    client = Client(headers={"host": "elsewhere.example"})

    assert (client.get("/admin/").status_code, client.get("/admin/")["Content-Type"]) == (
        400,
        "text/html; charset=utf-8",
    )


@pytest.mark.parametrize(
    ("error", "status", "slug"),
    [
        (IntegrityError("duplicate key"), 409, "conflict"),
        (RequestDataTooBig("2 MB"), 413, "too-large"),
        (SuspiciousOperation("odd"), 400, "parse-error"),
        (BadRequest("torn"), 400, "parse-error"),
        (exceptions.UnsupportedMediaType("text/xml"), 415, "unsupported-media-type"),
    ],
)
def test_errors_below_the_views_are_problems_too(error, status, slug):
    body = as_problem(error, {}).data

    assert (body["status"], body["type"].rsplit("/", 1)[1]) == (status, slug)


def test_an_error_of_a_rule_says_where_in_the_rule():
    body = as_problem(RuleError([Problem("", "empty"), Problem("all[1].is", "unknown")]), {}).data

    assert body["type"].endswith("/rule")
    assert body["errors"] == [
        {"path": "", "message": "empty", "field": "rule"},
        {"path": "all[1].is", "message": "unknown", "field": "rule"},
    ]


def test_one_of_a_service_says_which_rule():
    body = as_problem(RuleError([Problem("values[0].rule.key", "unknown", "values[0].rule")]), {}).data

    assert body["errors"] == [{"path": "values[0].rule.key", "message": "unknown", "field": "values[0].rule"}]


def test_paths_lead_through_objects_lists_and_rules():
    in_rule = rule_problems(RuleError([Problem("all[0].op", "unknown"), Problem("", "empty")])).detail

    found = list(
        flatten(
            {
                "name": ["too long"],
                "tiers": [{}, {"key": ["taken"], "entry": in_rule}],
                "rule": in_rule,
                "identifiers": {3: {"kind": ["unknown"]}},
                "non_field_errors": ["neither"],
            }
        )
    )

    assert found == [
        Problem("name", "too long"),
        Problem("tiers[1].key", "taken"),
        Problem("tiers[1].entry.all[0].op", "unknown", "tiers[1].entry"),
        Problem("tiers[1].entry", "empty", "tiers[1].entry"),
        Problem("all[0].op", "unknown", "rule"),
        Problem("", "empty", "rule"),
        Problem("identifiers[3].kind", "unknown"),
        Problem("", "neither"),
    ]


def test_schema_and_its_page_are_open_and_need_no_network():
    schema = ApiClient().send("get", "schema/")
    page = ApiClient().send("get", "docs/").content.decode()

    assert schema.status_code == 200
    assert "https://" not in page
    assert "/static/drf_spectacular_sidecar/" in page


def test_a_404_is_in_the_language_asked_for():
    answer = api_of("viewer").send("get", "segments/none/", accept_language="zh-hans")

    assert (answer.status_code, answer.json()["detail"]) == (404, "此处没有具有该键或 ID 的内容。")
