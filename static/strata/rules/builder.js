/**
 * The builder of rules: `<strata-rule>` around the text area of a rule. Its state is the rule itself, as JSON; without
 * JavaScript the text area is all there is, and with it the text area is what the form sends.
 */

import { h, icon, iconButton, placeBeside } from "./dom.js";
import { RuleEditor } from "./editor.js";
import { History } from "./history.js";
import { adder, nodeView } from "./nodes.js";
import { Server } from "./server.js";
import { at, changedNodes, inside, isGroup, listOf, parentOf, pathOf, pathText } from "./tree.js";
import { Verdicts } from "./verdicts.js";

/** @typedef {import("./tree.js").Path} Path */

const TYPING_AHEAD_MS = 900, PRESSED_MS = 2000;
let n = 0;

export class StrataRule extends RuleEditor {
  connectedCallback() {
    const text = this.querySelector("textarea");
    const isTemplate = text?.name.includes("__prefix__");  // the row that new ones are made of
    if (this.server || !text || isTemplate || !this.showPopover) return;
    this.text = text;
    Server.of(this.dataset.base ?? "", this.dataset.of ?? "").then((server) => this.start(server), () => {});  // without it, the text area stays
  }

  disconnectedCallback() { this.verdicts?.stop(); }

  /** @param {Server} server */
  start(server) {
    this.server = server;
    this.say = server.say;
    this.history = new History();
    /** @type {Map<string, string>} types that were chosen for properties, by their places */
    this.hints = new Map();
    this.sortGroup = `rule-${(n += 1)}`;
    this.sorting = { forceFallback: true, fallbackTolerance: 4, animation: 120, swapThreshold: 0.6, onEnd: (event) => this.dropped(event) };
    this.rule = this.parsed() ?? undefined;
    this.draft = this.rule === undefined ? this.text.value.trim() : "";  // JSON that is none
    this.first = { rule: this.rule, text: this.draft ? "" : this.text.value };
    this.written = this.rule;
    this.canvas = h("div", { class: "sr-canvas" });
    this.live = h("div", { class: "sr-only", role: "status", "aria-live": "polite" });
    this.bar = this.toolbar();
    this.verdicts = new Verdicts(this, /** @type {HTMLElement} */ (this.querySelector(".st-rule-verdict")));
    this.text.removeAttribute("required");
    this.text.setAttribute("aria-label", this.say.json);
    this.text.before(this.bar, this.canvas, this.live);
    this.text.addEventListener("input", () => this.typedJson());
    this.classList.add("sr-ready");
    this.showJson(Boolean(this.draft));
    this.listen();
    this.redraw();
    this.learn();
    this.isRefused = this.text.getAttribute("aria-invalid") === "true";
    if (this.isRefused) this.verdicts.ask(0);
    this.addEventListener("focusin", () => this.verdicts.ask(0), { once: true });
    this.text.form?.addEventListener("submit", () => {
      this.write();
      this.isSent = true;
    });
    addEventListener("beforeunload", (event) => { if (this.isConnected && this.isUnsaved()) event.preventDefault(); });
    addEventListener("pageshow", () => { this.isSent = false; });  // also when somebody comes back to it
  }

  // --- The page ---

  /** Draw what changed since; the focus stays where it was, or goes to `focus`. @param {string | null} [focus] */
  redraw(focus) {
    focus ??= this.focused();
    clearTimeout(this.pending);
    this.pending = undefined;
    const hadFocus = this.canvas.contains(document.activeElement) || focus !== this.focused();
    const isGroups = [this.drawn, this.rule].every((rule) => isGroup(inside(rule, []).core));
    const changed = isGroups ? changedNodes(this.drawn, this.rule) : [[]];
    if (changed.some((path) => !path.length)) this.redrawWhole();
    for (const path of changed.filter(({ length }) => length)) {
      const total = at(this.rule, path.slice(0, -1)).length;
      this.elementOf(path)?.replaceWith(nodeView(this, path, Number(path.at(-1)), total));
    }
    this.drawn = this.rule;
    this.verdicts.mark();
    this.drawBar();
    if (hadFocus && focus) /** @type {any} */ (this.canvas.querySelector(`[data-focus="${CSS.escape(focus)}"]`))?.focus();
  }

  redrawWhole() {
    this.canvas.replaceChildren(this.rule === undefined ? this.emptyView() : nodeView(this, []));
    if (this.rule !== undefined && !isGroup(inside(this.rule, []).core)) this.canvas.append(this.rootAdder());
  }

  /** Draw all of it: something else than the rule changed. @param {string | null} [focus] */
  redrawAll(focus) {
    this.drawn = undefined;
    this.redraw(focus);
  }

  /** @param {Path} path of a node @returns {any} */
  elementOf(path) { return this.canvas.querySelector(`[data-node="${CSS.escape(pathText(path))}"]`); }

  /**
   * Draw now; or a little later, where what is drawn must stay meanwhile: somebody types the beginning of a word into a
   * drop-down, or holds a button down, which would be gone before it is let go, or is on the way to the next input.
   * @param {string | null} [focus] null where the focus is leaving
   */
  redrawSoon(focus) {
    const isTypingAhead = Date.now() - (this.typedAhead ?? 0) < 100;
    if (!isTypingAhead && !this.isPressed && focus !== null) return this.redraw(focus);
    clearTimeout(this.pending);
    this.pending = setTimeout(() => this.redraw(focus), isTypingAhead ? TYPING_AHEAD_MS : this.isPressed ? PRESSED_MS : 0);
    return undefined;
  }

  /** Draw what waits to be drawn. */
  flush() {
    if (this.pending) this.redraw();
  }

  /** Beneath a rule of one condition. */
  rootAdder() {
    const foot = adder(this, []);
    const [condition, group, paste] = foot.children;
    const wrapped = () => this.become({ all: [this.rule] });
    for (const [button, then] of /** @type {[any, () => void][]} */ ([[condition, () => this.pick(["all"])], [group, () => this.addGroup(["all"])], [paste, () => this.pasteInto(["all"])]])) {
      const fresh = button.cloneNode(true);
      fresh.addEventListener("click", () => { wrapped(); then(); });
      button.replaceWith(fresh);
    }
    return foot;
  }

  /** Before there is a rule. */
  emptyView() {
    const { say } = this, place = h("div", { class: "sr-foot" },
      h("button", { type: "button", class: "sr-add sr-main", "data-focus": "|start", onclick: () => this.offer(place, (node) => this.added({ all: [node] }, ["all", 0]), "|start") }, icon("add"), say.start),
      this.server.known("attribute", "is_known") && h("button", { type: "button", class: "sr-add", onclick: () => this.begin() }, icon("person"), say.known_first),
      h("button", { type: "button", class: "sr-add", onclick: () => this.pasteInto([]) }, icon("content_paste"), say.paste));
    return h("div", { class: "sr-empty" }, h("p", { class: "sr-quiet" }, say.start_hint), place);
  }

  /** Anonymous visitors are people too, and rarely meant. */
  begin() {
    this.become({ all: [{ op: "attribute", key: "is_known", is: "eq", value: true }] });
    this.pick(["all"]);
  }

  toolbar() {
    const { say } = this;
    const button = (part, name, label, act, keys) => h("button", {
      type: "button", class: "sr-tool", "data-bar": part, "aria-label": label, title: `${label} (${keys})`, onclick: act, "aria-keyshortcuts": keys,
    }, icon(name));
    const keys = [["Alt+Enter", say.key_add], ["Alt+Shift+Enter", say.key_group], ["Alt+Shift+↑ ↓", say.key_move], ["↑ ↓", say.key_next],
      ["Alt+Delete", say.key_delete], ["Ctrl+C X V", say.key_copy], ["Ctrl+Z, Ctrl+Shift+Z", say.key_undo]];
    return h("div", { class: "sr-bar", role: "toolbar", "aria-label": say.builder },
      button("undo", "undo", say.undo, () => this.travel("undo"), "Control+Z"),
      button("redo", "redo", say.redo, () => this.travel("redo"), "Control+Shift+Z"),
      iconButton("keyboard", say.keys, () => {}, { popovertarget: `${this.sortGroup}-keys` }),
      h("dl", {
        class: "sr-keys", id: `${this.sortGroup}-keys`, popover: "auto",
        ontoggle: (event) => placeBeside(event.target, event.target.previousElementSibling),
      }, keys.map(([key, what]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)])),
      h("span", { class: "sr-told sr-quiet", "aria-hidden": "true" }),
      h("button", { type: "button", class: "sr-tab sr-first", onclick: () => this.verdicts.ask(0) }, icon("groups"), say.count),
      h("button", { type: "button", class: "sr-tab", "data-bar": "json", "aria-pressed": "false", onclick: () => this.showJson(!this.classList.contains("sr-json")) }, icon("data_object"), say.json));
  }

  drawBar() {
    for (const [part, isAble] of /** @type {[string, boolean][]} */ ([["undo", this.draft ? this.rule !== undefined : this.history.past.length > 0], ["redo", this.history.future.length > 0]])) {
      /** @type {any} */ (this.bar.querySelector(`[data-bar=${part}]`)).disabled = !isAble;
    }
  }

  /** Show the rule as JSON, or as it is built. @param {boolean} isJson */
  showJson(isJson) {
    if (!isJson && this.draft) return this.announce(this.say.not_json, true);
    this.write();
    this.classList.toggle("sr-json", isJson);
    this.bar.querySelector("[data-bar=json]").setAttribute("aria-pressed", String(isJson));
    if (!isJson) this.redrawAll();
    return undefined;
  }

  /** Something was typed into the text area. */
  typedJson() {
    const text = this.text.value.trim(), rule = this.parsed();
    this.draft = text && rule === null ? text : "";
    if (this.draft) {
      this.drawBar();
      return this.verdicts.say(this.say.not_json);
    }
    this.history.note(this.rule, "", "json");
    this.rule = this.written = text ? rule : undefined;
    this.drawBar();
    this.learn();
    this.verdicts.ask();
    return undefined;
  }

  /** For those who listen; where `isShown`, for those who look as well. @param {string} text @param {boolean} [isShown] */
  announce(text, isShown = false) {
    this.live.textContent = text;
    const told = this.bar.querySelector(".sr-told");
    told.textContent = isShown ? text : "";
    clearTimeout(this.toldFor);
    this.toldFor = setTimeout(() => { told.textContent = ""; }, 4000);
  }

  // --- Keys ---

  /** Where the focus is, as `data-focus` has it; "" elsewhere. */
  focused() { return /** @type {any} */ (document.activeElement?.closest?.("[data-focus]"))?.dataset.focus ?? ""; }

  /** The node in which something is; null outside. @param {EventTarget | null} target @returns {Path | null} */
  nodeOf(target) {
    const element = /** @type {any} */ (target)?.closest?.("[data-node]");
    return element && this.canvas.contains(element) ? pathOf(element.dataset.node) : null;
  }

  listen() {
    this.addEventListener("keydown", (event) => this.key(event));
    this.addEventListener("pointerdown", () => { this.isPressed = true; }, true);
    addEventListener("pointerup", () => { this.isPressed = false; }, true);
    addEventListener("pointercancel", () => { this.isPressed = false; }, true);
    addEventListener("click", () => this.flush(), true);
    for (const kind of ["keydown", "pointerdown"]) addEventListener(kind, () => { this.isTouched = true; }, { capture: true, once: true });
    const isText = (target) => target.closest("input, textarea") !== null;
    for (const kind of ["copy", "cut"]) {
      this.addEventListener(kind, (/** @type {any} */ event) => {
        const path = this.nodeOf(event.target);
        if (!path || isText(event.target) || String(getSelection())) return;
        event.preventDefault();
        this.copy(path, event.clipboardData);
        if (kind === "cut") this.discard(path);
      });
    }
    this.addEventListener("paste", (/** @type {any} */ event) => {
      if (isText(event.target)) return;
      event.preventDefault();
      this.pasteAt(event.target, event.clipboardData.getData("text/plain"));
    });
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.target === this.text) return;
    const isSelect = /** @type {any} */ (event.target).matches("select");
    if (isSelect && event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey) this.typedAhead = Date.now();
    else this.flush();
    const path = this.nodeOf(event.target), isHandle = /** @type {any} */ (event.target).closest(".sr-handle") !== null;
    const isControl = event.ctrlKey || event.metaKey, key = event.key;
    const act = this.command({ path, isHandle, isControl, key, alt: event.altKey, shift: event.shiftKey });
    if (!act) {
      if (key === "Enter" && /** @type {any} */ (event.target).matches("input")) event.preventDefault();  // sends no form
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  /** What some keys do; null for nothing. @param {{path: Path | null, isHandle: boolean, isControl: boolean, key: string, alt: boolean, shift: boolean}} pressed */
  command({ path, isHandle, isControl, key, alt, shift }) {
    if (isControl && key.toLowerCase() === "z") return () => this.travel(shift ? "redo" : "undo");
    if (isControl && key.toLowerCase() === "y") return () => this.travel("redo");
    if (!path) return null;
    const step = key === "ArrowUp" ? -1 : key === "ArrowDown" ? 1 : 0;
    if (step && alt && (shift || isHandle)) return () => this.moveLine(path, step);
    if (step && isHandle) return () => this.focusNode(path, step);
    if (key === "Enter" && alt && shift) return () => this.addGroup(this.listAround(path));
    if (key === "Enter" && alt) return () => this.pickAfter(path);
    if ((key === "Delete" || key === "Backspace") && (alt || isHandle)) return () => this.discard(path);
    return null;
  }

  /** The list that a node is, or is in. @param {Path} path @returns {Path} */
  listAround(path) {
    const own = listOf(this.rule, path) ?? (parentOf(this.rule, path) && path.slice(0, -1));
    if (own) return own;
    this.become({ all: [this.rule] });
    return ["all"];
  }

  /** @param {Path} path @param {1 | -1} step */
  focusNode(path, step) {
    const handles = [...this.canvas.querySelectorAll(".sr-handle")];
    const here = handles.findIndex((handle) => handle.dataset.focus === `${pathText(path)}|handle`);
    handles[Math.max(0, Math.min(handles.length - 1, here + step))]?.focus();
  }
}

customElements.define("strata-rule", StrataRule);
