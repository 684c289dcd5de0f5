// Makes the calls on stdin by @rudderstack/rudder-sdk-node, and says what it gave up once all is delivered.
const RudderAnalytics = require("@rudderstack/rudder-sdk-node");
const { readFileSync } = require("fs");

const [writeKey, dataPlaneUrl] = process.argv.slice(2);
const givenUp = [];
// By itself it gives up after three tries within two seconds.
const analytics = new RudderAnalytics(writeKey, {
  dataPlaneUrl, flushAt: 10, flushInterval: 100, retryCount: 10, logLevel: "none",
  errorHandler: (error) => givenUp.push(String(error)),
});
const delivered = JSON.parse(readFileSync(0)).map(
  ([method, message]) => new Promise((resolve) => analytics[method](message, resolve)),
);
Promise.all(delivered).then(() => process.stdout.write(JSON.stringify(givenUp)));
