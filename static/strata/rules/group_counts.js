/** How many people each group of a rule finds by itself: asked after the whole rule was counted, one after the other. */

import { h, icon } from "./dom.js";
import { stringify } from "./json.js";
import { at, inside, isGroup, nodePaths, pathText } from "./tree.js";

const MAX_GROUPS = 12, MOST_MS = 10_000;  // together, as long as the whole rule may take
const KEPT_MS = 60_000;  // so long a count is not asked for again

/** The input with the token of the form around the builder. @param {HTMLElement} builder @returns {HTMLInputElement | null} */
export const tokenOf = (builder) => /** @type {any} */ (builder.closest("form")?.elements.namedItem("csrfmiddlewaretoken") ?? null);

export class GroupCounts {
  /** @param {import("./builder.js").StrataRule} builder */
  constructor(builder) {
    this.builder = builder;
    /** @type {Map<string, {n: number, said: string, at: number}>} by the group's JSON */
    this.known = new Map();
    this.isWanted = false;
    this.isAsking = false;
  }

  /** The rule is about to be another: what was not asked yet is not asked any more. */
  stop() { this.isWanted = false; }

  /** Count the groups that nothing is known of, one at a time: the server counts to the end what it was asked. */
  async ask() {
    this.isWanted = true;
    if (this.isAsking) return;  // which goes on with the rule as it is then
    this.isAsking = true;
    const until = Date.now() + MOST_MS;
    try {
      for (let node = this.next(); node !== undefined && Date.now() < until; node = this.next()) {
        const verdict = await this.builder.server.preview(node, tokenOf(this.builder));
        if (verdict.count === undefined) break;  // it takes too long: the others may as well
        this.known.set(stringify(node), { n: verdict.count, said: verdict.counted ?? "", at: Date.now() });
        this.show();
      }
    } catch { /* the server did not answer, as the count of the whole says next time */ }
    this.isAsking = false;
  }

  /** The first group that is to be counted; undefined where none is. */
  next() {
    if (!this.isWanted) return undefined;
    const fresh = Date.now() - KEPT_MS;
    return this.groups().map(({ node }) => node).find((node) => !((this.known.get(stringify(node))?.at ?? 0) > fresh));
  }

  /** The groups within the rule, from the outermost. */
  groups() {
    const { rule } = this.builder;
    if (rule === undefined) return [];
    return nodePaths(rule).filter((path) => path.length && isGroup(inside(at(rule, path), path).core))
      .map((path) => ({ path, node: at(rule, path) })).slice(0, MAX_GROUPS);
  }

  /** Write what is known beside each group. */
  show() {
    for (const { path, node } of this.groups()) {
      const place = /** @type {any} */ (this.builder.canvas.querySelector(`[data-n="${CSS.escape(pathText(path))}"]`));
      const known = this.known.get(stringify(node));
      if (!place) continue;
      place.title = known?.said ?? "";
      place.replaceChildren(...(known ? [icon("groups"), h("span", {}, known.n.toLocaleString(document.documentElement.lang))] : []));
    }
  }
}
