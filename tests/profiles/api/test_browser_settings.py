"""What browser SDKs ask for before they send."""

import base64
import gzip
from datetime import UTC, datetime

import pytest

from profiles.models import Source
from tests.factories.profiles import SourceFactory

pytestmark = pytest.mark.django_db
ON = {"__default": {"enabled": True}}
OFF = {"enabled": False}
QUERY = "p=npm&v=3.34.1&build=modern&lockIntegrationsVersion=true&lockPluginsVersion=true"


@pytest.fixture
def shop():
    source = SourceFactory(key="shop", name="Shop", write_key="WK")
    Source.objects.filter(pk=source.pk).update(created_at=datetime(2026, 6, 1, 12, tzinfo=UTC))


@pytest.mark.parametrize("path", ["/v1/projects/WK/settings", "/v1/projects/WK/settings/"])
@pytest.mark.parametrize(
    ("public_url", "protocol", "host"),
    [
        ("https://cdp.example", "https", "cdp.example/v1"),
        ("http://127.0.0.1:8001/", "http", "127.0.0.1:8001/v1"),
        ("https://example.com/cdp", "https", "example.com/cdp/v1"),
    ],
)
def test_segments_settings_name_our_own_host(client, shop, settings, path, public_url, protocol, host):
    settings.PUBLIC_URL = public_url

    response = client.get(path, headers={"Origin": "https://shop.example"})

    assert response.status_code == 200
    assert response["Access-Control-Allow-Origin"] == "https://shop.example"
    assert response.json() == {
        "integrations": {"Segment.io": {"apiKey": "WK", "apiHost": host, "protocol": protocol}},
        "plan": {"track": ON, "identify": ON, "group": ON},
        "metrics": {"sampleRate": 0},
        "analyticsNextEnabled": True,
        "edgeFunction": {},
        "middlewareSettings": {},
        "enabledMiddleware": {},
        "remotePlugins": [],
        "legacyVideoPluginsEnabled": False,
    }


@pytest.mark.parametrize("path", [f"/sourceConfig/?{QUERY}&writeKey=WK", "/sourceConfig?writeKey=WK", "/sourceConfig/"])
def test_rudders_source_config_is_an_enabled_source_without_destinations(client, shop, path):
    authorization = "Basic " + base64.b64encode(b"WK:").decode()

    response = client.get(path, headers={"Authorization": authorization, "Origin": "https://shop.example"})

    assert response.status_code == 200
    assert response["Access-Control-Allow-Origin"] == "https://shop.example"
    assert response.json() == {
        "source": {
            "id": "shop",
            "name": "Shop",
            "writeKey": "WK",
            "config": {"statsCollection": {"errors": OFF, "metrics": OFF}},
            "enabled": True,
            "workspaceId": "strata",
            "connections": [],
            "destinations": [],
            "dataplanes": {},
        },
        "updatedAt": "2026-06-01T12:00:00.000000Z",
    }


@pytest.mark.parametrize("path", ["/v1/projects/{}/settings", "/sourceConfig/?writeKey={}"])
@pytest.mark.parametrize("key", ["wrong", "off", "%00", ""])
def test_without_the_key_of_an_enabled_source_there_are_none(client, path, key):
    SourceFactory(write_key="off", is_enabled=False)

    response = client.get(path.format(key))

    assert response.status_code in (401, 404)
    assert response.json().keys() == {"code", "message"}


@pytest.fixture
def umd(settings, tmp_path):
    settings.ANALYTICS_JS_DIR = tmp_path
    (tmp_path / "standalone.js").write_text("main()")
    (tmp_path / "a.bundle.61efa1.js").write_text("bundle()")
    (tmp_path / "secret.txt").write_text("secret")


@pytest.mark.parametrize(
    ("path", "text", "seconds"),
    [
        ("/analytics.js/v1/WK/analytics.min.js", "main()", 300),
        ("/analytics.js/v1/WK/analytics.js", "main()", 300),
        ("/analytics-next/bundles/a.bundle.61efa1.js", "bundle()", 31_536_000),
    ],
)
def test_the_snippet_of_segment_gets_its_files(client, shop, umd, path, text, seconds):
    response = client.get(path, headers={"Origin": "https://shop.example"})

    assert (response.status_code, gzip.decompress(response.content).decode()) == (200, text)
    assert response["Content-Type"] == "text/javascript; charset=utf-8"
    assert response["Content-Encoding"] == "gzip"
    assert response["Cache-Control"] == f"public, max-age={seconds}"
    assert response["Access-Control-Allow-Origin"] == "https://shop.example"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/analytics.js/v1/wrong/analytics.min.js", 401),
        ("/analytics-next/bundles/missing.js", 404),
        ("/analytics-next/bundles/secret.txt", 404),
        ("/analytics-next/bundles/..%2Fstandalone.js", 404),
    ],
)
def test_no_other_file_is_served(client, shop, umd, path, status):
    assert client.get(path).status_code == status


def test_without_the_package_the_answer_says_what_to_set(client, shop):
    response = client.get("/analytics.js/v1/WK/analytics.min.js")

    assert response.status_code == 404
    assert "ANALYTICS_JS_DIR" in response.json()["message"]
