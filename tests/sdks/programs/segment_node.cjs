// Makes the calls on stdin by @segment/analytics-node, and says what it gave up once all is delivered. With a third
// argument, the settings of OAuth as JSON, it signs in.
const { Analytics } = require("@segment/analytics-node");
const { readFileSync } = require("fs");

const [writeKey, host, oauth] = process.argv.slice(2);
const oauthSettings = oauth && JSON.parse(oauth);
const givenUp = [];
const analytics = new Analytics({ writeKey, host, flushAt: 10, flushInterval: 100, maxRetries: 10, oauthSettings });
analytics.on("error", (error) => givenUp.push(String(error.reason || error.code)));
for (const [method, message] of JSON.parse(readFileSync(0))) analytics[method](message);
analytics.closeAndFlush({ timeout: 300_000 }).then(() => process.stdout.write(JSON.stringify(givenUp)));
