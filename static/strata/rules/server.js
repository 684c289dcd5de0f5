/**
 * What the builder asks the server for (profiles/admin/rule_builder.py).
 *
 * @typedef {{value: any, label: string, hint?: string, type?: string, options?: Option[], section?: string, icon?: string, barred?: string}} Option
 * @typedef {{problems?: {path: string, message: string}[], sentence?: string, counted?: string, count?: number, url?: string, late?: string,
 *            people?: {name: string, url: string}[], more?: string, signIn?: string}} Verdict
 */

import { parse, stringify } from "./json.js";

// Questions go in an address, which has room for some thousand characters.
const MOST_CHARACTERS = 200, MOST_NAMES = 20;

/** Who asks is not signed in any more; `address` is where to. */
export class SignedOut extends Error {
  /** @param {string} address */
  constructor(address) {
    super("signed out");
    this.address = address;
  }
}

/** @param {Response} answer */
function refuseSignedOut(answer) {
  const address = new URL(answer.url);
  if (answer.redirected && address.searchParams.has("next")) throw new SignedOut(address.pathname);
}

/** @param {string} address @param {Record<string, string | string[]>} query */
async function get(address, query = {}) {
  const asked = Object.entries(query).flatMap(([key, value]) => [value].flat().map((each) => [key, each]));
  const answer = await fetch(`${address}?${new URLSearchParams(asked)}`, { headers: { Accept: "application/json" } });
  refuseSignedOut(answer);
  if (!answer.ok) throw new Error(`${answer.status} ${address}`);
  return parse(await answer.text());
}

/** @type {Map<string, Promise<Server>>} */
const servers = new Map();

/** The language and all that is asked of it, shared by the builders of a page. */
export class Server {
  /** @param {string} base address of the endpoints @param {string} holder what the rule fills, such as `segment:loyal`; "" for something new @returns {Promise<Server>} */
  static of(base, holder) {
    const key = `${base} ${holder}`;
    if (!servers.has(key)) servers.set(key, get(`${base}rule-language/`, { of: holder }).then((language) => new Server(base, language, holder)));
    return /** @type {Promise<Server>} */ (servers.get(key));
  }

  /** @param {string} base @param {any} language @param {string} holder */
  constructor(base, language, holder) {
    this.base = base;
    this.holder = holder;
    this.language = language;
    this.say = language.say;
    this.operators = new Map(language.operators.map((operator) => [operator.op, operator]));
    /** @type {Map<string, Map<string, Option>>} */
    this.names = new Map(Object.entries(language.names).map(
      ([kind, options]) => [kind, new Map(options.map((option) => [option.value, option]))]));
    this.complete = new Set(Object.keys(language.names).filter(
      (kind) => language.names[kind].length < language.limits.offered));
    /** @type {Map<string, Promise<Option[]>>} */
    this.kept = new Map();
    /** @type {Set<string>} names that were looked up */
    this.asked = new Set();
  }

  /** What is known of a name; undefined where it was not asked for, or is unknown. @param {string} kind @param {string} name */
  known(kind, name) { return this.names.get(kind)?.get(name); }

  /** Why the rule cannot speak of a name, as it would make a circle; undefined where it can. @param {string} kind @param {string} name @returns {string | undefined} */
  barred(kind, name) { return this.language.barred[`${kind}:${name}`]; }

  /** Whether nothing is called so, as far as was asked. @param {string} kind @param {string} name */
  isUnknown(kind, name) { return !this.known(kind, name) && (this.complete.has(kind) || this.asked.has(`${kind}:${name}`)); }

  /** @param {string} kind @param {Option[]} options */
  learn(kind, options) { for (const option of options) this.names.get(kind)?.set(option.value, option); }

  /** Look up names that a rule has and the page does not know; true where something was learned. @param {[string, string][]} used */
  async lookUp(used) {
    const wanted = used.filter(([kind, name]) => this.names.has(kind) && !this.known(kind, name) && !this.isUnknown(kind, name));
    for (const kind of new Set(wanted.map(([each]) => each))) {
      const names = [...new Set(wanted.filter(([each]) => each === kind).map(([, name]) => name))];
      for (let first = 0; first < names.length; first += MOST_NAMES) {
        const name = names.slice(first, first + MOST_NAMES);
        const { options } = await get(`${this.base}rule-names/`, { kind, name });
        this.learn(kind, options);
        for (const each of name) this.asked.add(`${kind}:${each}`);
      }
    }
    return wanted.length > 0;
  }

  /** Names of a kind that have `term` in them. @param {string} kind @param {string} term @returns {Promise<Option[]>} */
  async find(kind, term) {
    const local = matching([...(this.names.get(kind)?.values() ?? [])], term);
    if (this.complete.has(kind) || local.length >= 50 || !term) return local;
    const { options } = await get(`${this.base}rule-names/`, { kind, q: term.slice(0, MOST_CHARACTERS) });
    this.learn(kind, options);
    return options;
  }

  /** @param {string[]} event @returns {Promise<Option[]>} */
  properties(event) { return event.length ? this.once("rule-properties/", { event }) : Promise.resolve([]); }

  /** @param {Record<string, string | string[]>} query @returns {Promise<Option[]>} */
  values(query) { return this.once("rule-values/", { ...query, q: String(query.q ?? "").slice(0, MOST_CHARACTERS) }); }

  /** Options that were asked for already come from memory. @param {string} page @param {Record<string, any>} query */
  once(page, query) {
    const key = page + JSON.stringify(query);
    if (!this.kept.has(key)) {
      const asked = get(this.base + page, query).then(({ options }) => options);
      asked.catch(() => this.kept.delete(key));
      this.kept.set(key, asked);
    }
    return /** @type {Promise<Option[]>} */ (this.kept.get(key));
  }

  /** What a rule says and finds. @param {any} rule @param {HTMLInputElement | null} token of the form @returns {Promise<Verdict>} */
  async preview(rule, token) {
    const written = stringify(rule);
    const ask = () => fetch(`${this.base}rule-preview/`, {
      method: "POST", body: new URLSearchParams({ rule: written, of: this.holder, csrfmiddlewaretoken: token?.value ?? "" }),
    });
    let answer = await ask();
    if (answer.status === 403 && token) {  // who signed in again has another token
      token.value = (await get(`${this.base}rule-token/`)).token;
      answer = await ask();
    }
    refuseSignedOut(answer);
    if (!answer.ok) throw new Error(String(answer.status));
    return answer.json();
  }
}

/** Those of some options that have the term in label, value or hint; those that start with it first. @param {Option[]} options @param {string} term */
export function matching(options, term) {
  const wanted = term.trim().toLowerCase();
  if (!wanted) return options;
  const texts = (option) => [option.label, String(option.value), option.hint ?? ""].map((text) => text.toLowerCase());
  const rank = (option) => (texts(option).some((text) => text.startsWith(wanted)) ? 0 : 1);
  return options.filter((option) => texts(option).some((text) => text.includes(wanted))).sort((a, b) => rank(a) - rank(b));
}
