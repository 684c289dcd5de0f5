/** What the server says of a rule while it is being written: the sentence, the count, some people, and what is wrong. */

import { h } from "./dom.js";
import { GroupCounts, tokenOf } from "./group_counts.js";
import { SignedOut } from "./server.js";
import { at, pathOf } from "./tree.js";

const PAUSE_MS = 500;  // after the last change

export class Verdicts {
  /** @param {import("./builder.js").StrataRule} builder @param {HTMLElement} place */
  constructor(builder, place) {
    this.builder = builder;
    this.place = place;
    /** @type {{path: string, message: string}[]} */
    this.problems = [];
    this.isAsking = false;
    this.isStale = false;
    this.nAnswers = 0;
    this.groups = new GroupCounts(builder);
  }

  /** Ask soon. One question at a time: the server counts to the end what it was asked. @param {number} [pause] */
  ask(pause = PAUSE_MS) {
    clearTimeout(this.timer);
    this.isStale = true;
    this.place.classList.add("sr-stale");
    this.groups.stop();
    this.timer = setTimeout(() => this.send(), pause);
  }

  stop() {
    clearTimeout(this.timer);
    this.groups.stop();
  }

  async send() {
    if (this.isAsking || !this.isStale) return;
    const { builder } = this, { rule, say } = builder;
    this.isStale = false;
    if (rule === undefined) return this.show({});
    this.isAsking = true;
    const waiting = setTimeout(() => this.waits(), 300);
    let verdict;
    try {
      verdict = await builder.server.preview(rule, tokenOf(builder));
    } catch (error) { verdict = error instanceof SignedOut ? { late: say.signed_out, signIn: error.address } : { late: say.failed }; }
    clearTimeout(waiting);
    this.isAsking = false;
    if (this.isStale) return this.send();
    if (builder.draft) return undefined;  // what is there now is no rule
    this.show(verdict);
    if (verdict.counted) this.groups.ask();
    return undefined;
  }

  /** The answer takes a while: what was wrong before need not be wrong now. */
  waits() {
    if (this.builder.draft) return;
    if (this.problems.length) this.place.replaceChildren();
    this.count(this.builder.say.counting);
  }

  /** @param {import("./server.js").Verdict} verdict */
  show(verdict) {
    const { say } = this.builder;
    this.place.classList.remove("sr-stale");
    this.problems = verdict.problems ?? [];
    const { shown, isOnlyEmpty } = this.mark();
    if (this.builder.isRefused && !this.nAnswers) this.leadTo(shown);
    this.nAnswers += 1;
    if (this.builder.rule === undefined) return this.place.replaceChildren();
    if (this.problems.length) {
      const messages = this.problems.filter((problem) => !shown.has(problem)).map(({ message }) => h("li", {}, message));
      this.place.replaceChildren(isOnlyEmpty ? h("p", { class: "sr-quiet" }, say.fill_in) : !messages.length ? h("p", { class: "sr-quiet" }, say.marked) : h("ul", { class: "st-errors" }, messages));
      return undefined;
    }
    if (verdict.signIn) addEventListener("focus", () => this.ask(0), { once: true });  // when they come back
    const people = verdict.people ?? [];
    const links = people.map(({ name, url }) => h("a", { class: "st-chip", href: url, target: "_blank" }, name));
    this.place.replaceChildren(
      h("p", { class: "sr-count", "data-count": "" }, verdict.counted && verdict.url
        ? h("a", { href: verdict.url, target: "_blank" }, verdict.counted) : verdict.counted || verdict.late || "",
      verdict.signIn ? [" ", h("a", { href: verdict.signIn, target: "_blank" }, say.sign_in)] : ""),
      verdict.sentence ? h("p", { class: "st-sentence" }, verdict.sentence) : "",
      links.length ? h("p", { class: "st-chips sr-people" }, h("span", { class: "sr-quiet" }, say.sample), ...links, verdict.more ? h("span", { class: "sr-quiet" }, verdict.more) : "") : "");
    return undefined;
  }

  /**
   * A form that was refused shows first what is wrong; what stands at its place need not stand in the form's list too.
   * The focus waits for the page, which puts it into the first field of a new form, and stays where somebody has put it.
   * @param {Set<any>} shown
   */
  leadTo(shown) {
    const said = [...shown].map(({ path, message }) => `${path}: ${message}`);
    for (const line of this.builder.closest(".form-row, .field-line")?.querySelectorAll("li") ?? []) {
      if (!this.builder.contains(line) && said.some((each) => line.textContent.trim().endsWith(each))) line.hidden = true;
    }
    const lead = () => {
      if (!this.builder.isTouched) /** @type {any} */ (this.builder.canvas.querySelector("[aria-invalid]"))?.focus();
    };
    if (document.readyState === "complete") lead();
    else addEventListener("load", lead, { once: true });
  }

  /** @param {string} text */
  count(text) {
    const line = this.place.querySelector("[data-count]");
    if (line) line.textContent = text;
    else this.place.prepend(h("p", { class: "sr-count", "data-count": "" }, text));
  }

  /** In place of a verdict. @param {string} text */
  say(text) {
    this.stop();
    this.isStale = false;
    this.place.replaceChildren(h("p", { class: "sr-quiet" }, text));
  }

  /** Mark the inputs that the problems are about. What is merely empty is marked without words until the form was refused: it is being written. */
  mark() {
    this.groups.show();
    const { canvas, rule } = this.builder, shown = new Set();
    let isOnlyEmpty = true;
    for (const old of canvas.querySelectorAll(".sr-error")) old.remove();
    for (const old of canvas.querySelectorAll(".sr-wrong, .sr-missing")) old.classList.remove("sr-wrong", "sr-missing");
    for (const old of canvas.querySelectorAll("[aria-invalid]")) old.removeAttribute("aria-invalid");
    for (const problem of this.problems) {
      const place = find(canvas, problem.path), isEmpty = isNothing(at(rule, pathOf(problem.path)));
      isOnlyEmpty &&= isEmpty;
      if (!place) continue;
      shown.add(problem);
      place.classList.add(isEmpty ? "sr-missing" : "sr-wrong");
      const input = place.matches(".sr-value") ? place.querySelector("input, select") : null;
      input?.setAttribute("aria-invalid", "true");
      if (isEmpty && !this.builder.isRefused) continue;
      const message = h("p", { class: "sr-error", id: `sr-error-${(nErrors += 1)}` }, isEmpty ? this.builder.say.required : problem.message);
      input?.setAttribute("aria-describedby", message.id);
      (place.closest(".sr-row, .sr-line, .sr-head") ?? place).append(message);
    }
    return { shown, isOnlyEmpty };
  }
}

let nErrors = 0;

/** The element of a place, or of the nearest around it; null where that is the whole rule. @param {HTMLElement} canvas @param {string} path */
function find(canvas, path) {
  for (let keys = pathOf(path); keys.length; keys = keys.slice(0, -1)) {
    const text = keys.map((key) => (typeof key === "number" ? `[${key}]` : `.${key}`)).join("").replace(/^\./, "");
    const found = canvas.querySelector(`[data-path="${CSS.escape(text)}"]`);
    if (found) return found;
  }
  return null;
}

/** @param {any} value */
const isNothing = (value) => value === undefined || value === null || value === "" || (Array.isArray(value) && (!value.length || value.includes(null)))
  || (typeof value === "object" && !Array.isArray(value) && !Object.keys(value).length);
