// A run has ended: show what it changed. A form keeps what is being typed; only what is read is replaced.
document.addEventListener("run-ended", async () => {
  const shown = () => document.querySelectorAll(".readonly");
  if (!shown().length) return location.reload();
  const page = new DOMParser().parseFromString(await (await fetch(location.href)).text(), "text/html");
  const fresh = page.querySelectorAll(".readonly");
  if (fresh.length !== shown().length) return;
  shown().forEach((element, index) => {
    element.innerHTML = fresh[index].innerHTML;
    htmx.process(element);
  });
});

// One key for what is done again and again: it clicks what carries it, unless somebody is typing.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return;
  document.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`)?.click();
});

// What was asked for and did not come says so in its place.
for (const failure of ["htmx:responseError", "htmx:sendError"]) {
  document.addEventListener(failure, ({ target }) => {
    const place = target.closest("[data-failed]");
    if (place) (place.querySelector("[data-said]") ?? place).textContent = place.dataset.failed;
  });
}

// A point of a chart opens the people of its day, as its number in the table beneath does.
const addressOfPoint = (event) => {
  const canvas = event.target.closest?.("canvas[data-opens]");
  const chart = canvas && Chart.getChart(canvas);
  const [point] = chart?.getElementsAtEventForMode(event, "nearest", { intersect: false }, true) ?? [];
  return point && JSON.parse(canvas.dataset.opens)[point.datasetIndex][point.index];
};
document.addEventListener("mousemove", (event) => {
  if (event.target.matches?.("canvas[data-opens]")) event.target.style.cursor = addressOfPoint(event) ? "pointer" : "";
});
document.addEventListener("click", (event) => {
  const address = addressOfPoint(event);
  if (address) location.assign(address);
});

// A button that is clicked twice sends its form once: two runs would do the same, and the one could not be taken back
// without the other. A while later it sends again, since what came may be a file, after which the page stays.
const SENDS_AGAIN_AFTER = 5_000;
let sent = new WeakMap();
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.getAttribute("method")?.toLowerCase() !== "post") return;
  const before = sent.get(form);
  if (before && before.by === event.submitter && event.timeStamp - before.at < SENDS_AGAIN_AFTER) {
    event.preventDefault();
  } else {
    sent.set(form, { by: event.submitter, at: event.timeStamp });
  }
});
addEventListener("pageshow", () => (sent = new WeakMap()));

// The field of a key that may stay empty shows what the server would make of the name.
let keyIsDue;
document.addEventListener("input", ({ target: name }) => {
  const key = name.form && /(^|-)name$/.test(name.name) && name.form.elements[name.name.replace(/name$/, "key")];
  if (!key?.dataset?.keyUrl) return;
  clearTimeout(keyIsDue);
  keyIsDue = setTimeout(async () => {
    const given = name.value;
    const answer = await fetch(`${key.dataset.keyUrl}&name=${encodeURIComponent(given)}`);
    if (answer.ok && name.value === given) key.placeholder = await answer.text();
  }, 200);
});
