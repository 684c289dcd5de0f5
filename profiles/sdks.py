"""What to write in a program so that an SDK sends here: code, the same in every language of the interface."""

from __future__ import annotations

import re
from typing import NamedTuple


class Snippet(NamedTuple):
    """`install` is the command that gets the SDK, empty where none is needed."""

    name: str
    install: str
    code: str


KEY, ADDRESS = "WRITE_KEY", "https://cdp.example.com"
CLIENT_ID, KEY_ID = "CLIENT_ID", "KEY_ID"

SNIPPETS = (
    Snippet(
        "@segment/analytics-next",
        "npm install @segment/analytics-next",
        """import { AnalyticsBrowser } from "@segment/analytics-next";

const analytics = AnalyticsBrowser.load({ writeKey: "WRITE_KEY", cdnURL: "https://cdp.example.com" });
analytics.identify("u1", { email: "ann@example.com" });
analytics.track("Order Completed", { total: 12.5 });""",
    ),
    Snippet(
        "@rudderstack/analytics-js",
        "npm install @rudderstack/analytics-js",
        """import { RudderAnalytics } from "@rudderstack/analytics-js/bundled";

const analytics = new RudderAnalytics();
analytics.load("WRITE_KEY", "https://cdp.example.com", { configUrl: "https://cdp.example.com" });
analytics.identify("u1", { email: "ann@example.com" });
analytics.track("Order Completed", { total: 12.5 });""",
    ),
    Snippet(
        "@segment/analytics-node",
        "npm install @segment/analytics-node",
        """const { Analytics } = require("@segment/analytics-node");

const analytics = new Analytics({ writeKey: "WRITE_KEY", host: "https://cdp.example.com", maxRetries: 10 });
analytics.on("error", console.error);
analytics.track({ userId: "u1", event: "Order Completed", properties: { total: 12.5 } });
process.on("beforeExit", () => analytics.closeAndFlush());""",
    ),
    Snippet(
        "@rudderstack/rudder-sdk-node",
        "npm install @rudderstack/rudder-sdk-node",
        """const RudderAnalytics = require("@rudderstack/rudder-sdk-node");

const analytics = new RudderAnalytics("WRITE_KEY", {
  dataPlaneUrl: "https://cdp.example.com",
  retryCount: 10, // by itself it gives up within two seconds
  errorHandler: console.error, // without one, a refused message ends the program
});
analytics.track({ userId: "u1", event: "Order Completed", properties: { total: 12.5 } });""",
    ),
    Snippet(
        "segment-analytics-python",
        "pip install segment-analytics-python",
        """from segment.analytics import Client

client = Client("WRITE_KEY", host="https://cdp.example.com", gzip=True)
client.track("u1", "Order Completed", {"total": 12.5})
client.flush()""",
    ),
    Snippet(
        "rudder-sdk-python",
        "pip install rudder-sdk-python",
        """from rudderstack.analytics.client import Client

client = Client("WRITE_KEY", host="https://cdp.example.com")
client.track("u1", "Order Completed", {"total": 12.5})
client.flush()""",
    ),
    Snippet(
        "HTTP",
        "",
        """curl -u WRITE_KEY: https://cdp.example.com/v1/track \\
  -d '{"userId": "u1", "event": "Order Completed", "properties": {"total": 12.5}}'""",
    ),
)


OAUTH_SNIPPETS = (
    Snippet(
        "segment-analytics-python, OAuth",
        "pip install segment-analytics-python",
        """from pathlib import Path

from segment.analytics import Client

client = Client(
    "WRITE_KEY",
    host="https://cdp.example.com",
    oauth_auth_server="https://cdp.example.com",
    oauth_client_id="CLIENT_ID",
    oauth_key_id="KEY_ID",
    oauth_client_key=Path("private.pem").read_text(),
)
client.track("u1", "Order Completed", {"total": 12.5})
client.flush()""",
    ),
    Snippet(
        "@segment/analytics-node, OAuth",
        "npm install @segment/analytics-node",
        """const { readFileSync } = require("fs");
const { Analytics } = require("@segment/analytics-node");

const analytics = new Analytics({
  writeKey: "WRITE_KEY",
  host: "https://cdp.example.com",
  maxRetries: 10,
  oauthSettings: {
    authServer: "https://cdp.example.com",
    clientId: "CLIENT_ID",
    keyId: "KEY_ID",
    clientKey: readFileSync("private.pem", "utf8"),
  },
});
analytics.on("error", console.error);
analytics.track({ userId: "u1", event: "Order Completed", properties: { total: 12.5 } });
process.on("beforeExit", () => analytics.closeAndFlush());""",
    ),
)


def snippets_for(write_key: str, *, address: str, client_id: str = "", key_id: str = "") -> list[Snippet]:
    """All of them, with a source's key and the address of this installation; with a `key_id`, those of OAuth too."""
    written = {KEY: write_key, ADDRESS: address.rstrip("/"), CLIENT_ID: client_id, KEY_ID: key_id}
    chosen = SNIPPETS + OAUTH_SNIPPETS if key_id else SNIPPETS
    placeholders = re.compile("|".join(map(re.escape, written)))
    return [
        snippet._replace(code=placeholders.sub(lambda found: written[found[0]], snippet.code)) for snippet in chosen
    ]
