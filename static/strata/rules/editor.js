/** What can be done to a rule: every change of the tree is one method, and one step back in its history. */

import { fill, h } from "./dom.js";
import { startOf } from "./inputs.js";
import { parse, stringify } from "./json.js";
import { picker } from "./nodes.js";
import { at, depth, inside, insert, insertAfter, isNode, isNot, kindOf, listOf, move, moveByLine, nodePaths, pathOf, pathText, put, remove, same } from "./tree.js";

/** @typedef {import("./tree.js").Path} Path */

const CLIPBOARD = "strata-rule";  // what was copied last, for the forms of this browser

/** The part of `<strata-rule>` that changes the rule; builder.js has the part that shows it. */
export class RuleEditor extends HTMLElement {
  // --- The rule ---

  /** What the text area holds; null where it is no JSON or nothing. */
  parsed() {
    try { return parse(this.text.value); } catch { return null; }
  }

  /** The rule into the text area, which the form sends. What came from the server goes back as it came. */
  write() {
    if (this.draft || this.rule === this.written) return;
    this.written = this.rule;
    this.text.value = this.rule === undefined ? "" : this.rule === this.first.rule ? this.first.text : stringify(this.rule, 2);
  }

  /** Whether there is something here that was not sent. */
  isUnsaved() { return !this.isSent && (this.isRefused || Boolean(this.draft) || !same(this.rule ?? null, this.first.rule ?? null)); }

  /**
   * Another rule. `typing` is the place that is being typed into: the page stays as it is drawn. Changes of one `step`
   * that follow each other are undone together.
   * @param {any} rule
   * @param {{typing?: string, step?: string, focus?: string | null, announce?: string}} [how]
   */
  become(rule, { typing = "", step = typing, focus, announce = "" } = {}) {
    if (same(rule ?? null, this.rule ?? null)) return this.redraw(focus);
    this.history.note(this.rule, this.focused(), step);
    this.rule = rule === null ? undefined : rule;
    this.draft = "";
    this.write();
    if (!typing) this.redrawSoon(focus);
    this.drawBar();
    if (announce) this.announce(announce);
    if (!typing) this.learn();
    this.verdicts.ask();
  }

  /**
   * A value at a place; undefined takes it away. Inputs call it.
   * @param {Path} path
   * @param {any} value
   * @param {{typing?: boolean, focus?: string | null}} [how]
   */
  set(path, value, { typing = false, focus } = {}) {
    const owner = path.slice(0, -1), key = path.at(-1);
    const kept = value === undefined && typeof key === "number" && typing ? null : value;  // a pair keeps its places
    const rule = this.settled(put(this.rule, path, kept), owner, String(key));
    this.become(rule, { typing: typing ? pathText(path) : "", focus });
  }

  /** The rule after a parameter changed: what depended on the old name goes. @param {any} rule @param {Path} path @param {string} key */
  settled(rule, path, key) {
    const node = at(rule, path), operator = this.server.operators.get(node?.op);
    const param = operator?.params.find((each) => each.key === key);
    if (!param || same(at(this.rule, [...path, key]) ?? null, node[key] ?? null)) return rule;
    const below = operator.params.filter(({ among }) => among === key).map((each) => each.key);
    const retyped = [key, ...below].includes(operator.typed_by);
    let changed = node;
    for (const gone of below) changed = put(changed, [gone], undefined);
    if (retyped) changed = this.compared(operator, changed);
    if (key in operator.defaults) changed = { ...changed, ...operator.defaults, ...changed };  // what counts silently is said where a part is
    return put(rule, path, changed);
  }

  /** A condition with the first comparison of the type that it compares now, unless it says only whether there is a value. @param {any} operator @param {any} node */
  compared(operator, { value: _value, ...node }) {
    const words = this.server.language.words[this.typeOf(operator, node)];
    if (["set", "unset"].includes(node.is)) return node;
    if (!words) return put(node, ["is"], undefined);
    const [word] = words, value = word.form && startOf(word.form);
    return { ...node, is: word.word, ...(value === undefined ? {} : { value }) };
  }

  /** The type of what a condition compares; "" where it is not known. @param {any} operator @param {any} node */
  typeOf(operator, node) {
    if (operator.typed_by in this.server.language.words) return operator.typed_by;
    const param = operator.params.find(({ key }) => key === operator.typed_by);
    if (param?.form.of) return this.server.known(param.form.of, node[param.key])?.type ?? "none";
    const above = operator.params.find(({ key }) => key === param?.among);
    return this.server.known(above?.form.of, node[above?.key])?.options?.find(({ value }) => value === node[param.key])?.type ?? "none";
  }

  /** Another value for what stands at a place, made of it. @param {Path} path @param {(node: any) => any} make @param {any} [how] */
  change(path, make, how = {}) { this.become(put(this.rule, path, make(at(this.rule, path))), how); }

  /** A new condition of an operator, about a name where there is one. @param {any} operator @param {any} [option] */
  fresh(operator, option) {
    const [first] = operator.params;
    let node = { op: operator.op, ...operator.starts };
    if (option) node[first.key] = option.value;
    for (const { key, form, required } of operator.params) {
      const start = required && node[key] === undefined ? startOf(form) : undefined;
      if (start !== undefined) node[key] = start;
    }
    const isCompared = operator.typed_by && !(operator.typed_by in this.server.language.words);
    return isCompared && option ? this.compared(operator, node) : node;
  }

  /** The type that was seen of a property; "" until it is known, and then drawn again. @param {string[]} events @param {string} key */
  propertyType(events, key) {
    if (!events.length || !key) return "";
    this.seen ??= new Map();
    const place = JSON.stringify(events);
    if (!this.seen.has(place)) {
      this.seen.set(place, []);
      this.server.properties(events).then((options) => { this.seen.set(place, options); this.redrawAll(); }, () => {});
    }
    return this.seen.get(place).find(({ value }) => value === key)?.type ?? "";
  }

  /** Look up the names in the rule that the page does not know. */
  learn() {
    const used = nodePaths(this.rule).flatMap((path) => {
      const { core } = inside(at(this.rule, path), path), operator = this.server.operators.get(core?.op);
      const params = operator?.params.filter(({ form, key }) => form.of && core[key] !== undefined) ?? [];
      return params.flatMap(({ key, form }) => [core[key]].flat().map((name) => [form.of, name]));
    });
    this.server.lookUp(used).then((learned) => { if (learned) this.redrawAll(); }, () => {});
  }

  // --- Changes of the tree ---

  /** Let something be chosen, and add it to a list. @param {Path} list */
  pick(list) {
    this.offer(/** @type {HTMLElement} */ (this.canvas.querySelector(`[data-adder="${CSS.escape(pathText(list))}"]`)), (node) =>
      this.added(insert(this.rule, list, at(this.rule, list).length, node), [...list, at(this.rule, list).length]), `${pathText(list)}|add`);
  }

  /** Let something be chosen, and add it after a node. @param {Path} path */
  pickAfter(path) {
    const element = this.elementOf(path);
    const place = h("div", { class: "sr-foot" });
    element?.after(place);
    this.offer(place, (node) => {
      const { rule, path: added } = insertAfter(this.rule, path, node);
      this.added(rule, added);
    }, `${pathText(path)}|handle`);
  }

  /** The list of all that there is, in place of some buttons. @param {HTMLElement} place @param {(node: any) => void} take @param {string} focus where Escape leads */
  offer(place, take, focus) {
    const box = picker(this, take, () => setTimeout(() => { if (box.isConnected) this.redraw(box.contains(document.activeElement) ? focus : undefined); }));
    this.drawn = undefined;  // the buttons come back when it is drawn again
    place.replaceChildren(box);
    box.open();
    place.scrollIntoView({ block: "nearest" });
  }

  /** After something was added: the first input that waits for a value has the focus. @param {any} rule @param {Path} path */
  added(rule, path) {
    this.become(rule);
    const element = this.elementOf(path);
    element?.closest(".sr-items")?.nextElementSibling?.firstElementChild?.scrollIntoView({ block: "nearest" });  // the next is added there
    const inputs = [...(element?.querySelectorAll("input, select:not(.sr-kind)") ?? [])];
    const empty = inputs.find((input) => !input.value && input.placeholder !== "+" && !input.closest(".sr-where"));
    /** @type {any} */ (empty ?? element?.querySelector(".sr-handle") ?? element?.querySelector("button"))?.focus();
  }

  /** @param {Path} list */
  addGroup(list) {
    if (pathOf(pathText(list)).filter((key) => ["all", "any", "not"].includes(String(key))).length >= this.server.language.limits.levels) {
      return this.announce(this.say.too_deep, true);
    }
    const kind = list.at(-1) === "all" ? "any" : "all", index = at(this.rule, list).length;
    this.become(insert(this.rule, list, index, { [kind]: [] }));
    this.pick([...list, index, kind]);
  }

  /** @param {Path} path @param {string} kind all, any, not all, not any */
  regroup(path, kind) {
    const { core, n } = inside(at(this.rule, path), path), [name, isNegated] = kind.startsWith("not ") ? [kind.slice(4), true] : [kind, false];
    let node = /** @type {any} */ ({ [name]: core[kindOf(core)] });
    for (let each = 0; each < (isNegated ? Math.max(1, n) : 0); each += 1) node = { not: node };
    this.become(put(this.rule, path, node), { focus: `${pathText(path)}|kind` });
  }

  /** Turn a node around, or take one negation away. @param {Path} path @param {boolean} isNegated */
  negate(path, isNegated) {
    const node = at(this.rule, path);
    if (isNegated || isNot(node)) this.become(put(this.rule, path, isNegated ? { not: node } : node.not), { focus: `${pathText(path)}|block` });
  }

  /** Put a node into a group of its own. @param {Path} path */
  wrap(path) {
    const list = path.at(-2), node = at(this.rule, path);
    const kind = list === "all" ? "any" : "all";
    this.become(put(this.rule, path, { [kind]: [node] }), { focus: `${pathText([...path, kind])}|add` });
  }

  /** What is in a group takes its place. @param {Path} path */
  unwrap(path) {
    const list = listOf(this.rule, path), index = Number(path.at(-1)), around = path.slice(0, -1);
    if (!list) return;
    const items = [...at(this.rule, around)];
    const { n } = inside(at(this.rule, path), path);
    const negated = (node) => Array.from({ length: n }).reduce((inner) => ({ not: inner }), node);
    items.splice(index, 1, ...at(this.rule, list).map(negated));
    this.become(put(this.rule, around, items), { focus: `${pathText([...around, index])}|handle` });
  }

  /** @param {Path} path */
  duplicate(path) {
    const { rule, path: added } = insertAfter(this.rule, path, at(this.rule, path));
    this.become(rule, { focus: `${pathText(added)}|handle` });
  }

  /** @param {Path} path */
  discard(path) {
    const index = Number(path.at(-1)), list = path.slice(0, -1), left = path.length ? at(this.rule, list).length - 1 : 0;
    const focus = !path.length ? "|start" : left ? `${pathText([...list, Math.min(index, left - 1)])}|handle` : `${pathText(list)}|add`;
    this.become(remove(this.rule, path), { focus, announce: this.say.deleted });
  }

  /** @param {Path} path @param {1 | -1} step */
  moveLine(path, step) {
    const moved = moveByLine(this.rule, path, step);
    if (moved) this.moved(moved);
  }

  /** @param {{rule: any, path: Path} | null} moved */
  moved(moved) {
    if (!moved || depth(moved.rule) > this.server.language.limits.levels) {
      this.redraw();
      return moved && this.announce(this.say.too_deep, true);
    }
    const { rule, path } = moved, total = at(rule, path.slice(0, -1)).length;
    const place = fill(this.say.condition_n, { n: Number(path.at(-1)) + 1, total });
    this.become(rule, { focus: `${pathText(path)}|handle`, announce: fill(this.say.moved, { place }) });
    return undefined;
  }

  /** Something was dragged to a place. @param {any} event of SortableJS */
  dropped(event) {
    document.body.classList.remove("sorting");
    this.drawn = undefined;  // what SortableJS moved is drawn again
    const from = [...pathOf(event.from.dataset.list), event.oldDraggableIndex], list = pathOf(event.to.dataset.list);
    // SortableJS still has to tidy up after itself.
    setTimeout(() => this.moved(event.from === event.to && event.oldDraggableIndex === event.newDraggableIndex
      ? null : move(this.rule, from, list, event.newDraggableIndex)));
  }

  /** @param {"undo" | "redo"} way */
  travel(way) {
    if (this.draft && way === "undo") return this.dropDraft();
    const found = this.history[way](this.rule, this.focused());
    if (!found) return undefined;
    this.rule = found.rule;
    this.draft = "";
    this.write();
    this.redraw(found.focus);
    this.announce(way === "undo" ? this.say.undone : this.say.redone);
    this.verdicts.ask();
    return undefined;
  }

  /** Text that is no JSON makes way for the rule from before it. */
  dropDraft() {
    if (this.rule === undefined) return;
    this.draft = "";
    this.written = undefined;
    this.write();
    this.drawBar();
    this.announce(this.say.undone);
    this.verdicts.ask();
  }

  // --- Copying ---

  /** @param {Path} path @param {DataTransfer | null} [clipboard] */
  copy(path, clipboard = null) {
    const text = stringify(at(this.rule, path), 2);
    localStorage.setItem(CLIPBOARD, text);
    if (clipboard) clipboard.setData("text/plain", text);
    else navigator.clipboard?.writeText(text).catch(() => {});  // refused, or no https: this browser's own copy is enough
    this.announce(this.say.copied, true);
  }

  /** What was copied: from a text, or by this browser; null where that is no part of a rule. @param {string | null} [text] */
  pasted(text = localStorage.getItem(CLIPBOARD)) {
    try {
      const node = parse(text ?? "");
      if (isNode(node)) return node;
    } catch { /* some other text */ }
    this.announce(this.say.nothing_copied, true);
    return null;
  }

  /** @param {Path} list @param {string} [text] */
  pasteInto(list, text) {
    const node = this.pasted(text), index = at(this.rule, list)?.length ?? 0;
    if (node) this.become(list.length ? insert(this.rule, list, index, node) : node, { focus: `${pathText(list.length ? [...list, index] : [])}|handle`, announce: this.say.pasted });
  }

  /** Into the group whose buttons, or whose head at the root, have the focus; else after the node. @param {HTMLElement} target @param {string} text */
  pasteAt(target, text) {
    const path = this.nodeOf(target) ?? [], adder = /** @type {any} */ (target.closest("[data-adder]"));
    const list = adder ? pathOf(adder.dataset.adder) : !path.length && listOf(this.rule, []);
    if (list && list.length) this.pasteInto(list, text);
    else this.pasteAfter(path, text);
  }

  /** @param {Path} path @param {string} text */
  pasteAfter(path, text) {
    const node = this.pasted(text);
    if (!node) return;
    const { rule, path: added } = this.rule === undefined ? { rule: node, path: [] } : insertAfter(this.rule, path, node);
    this.become(rule, { focus: `${pathText(added)}|handle`, announce: this.say.pasted });
  }
}
