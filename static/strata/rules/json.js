/** JSON whose numbers stay as they are written: JavaScript rounds whole ones past 2^53, and writes 1 for 1.0. */

/** A number that JavaScript would write otherwise. */
export class Exact {
  /** @param {string} text */
  constructor(text) { this.text = text; }

  toString() { return this.text; }

  toJSON() { return MARK + this.text; }
}

const MARK = `exact number ${Math.random()} `;  // nobody's text begins so
const TOKENS = /"(?:[^"\\]|\\.)*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])/g;
const MARKED = new RegExp(`"${MARK}([^"]*)"`, "g");

/** @param {string} text @returns {any} */
export function parse(text) {
  const marked = text.replace(TOKENS, (token) => (token.startsWith('"') || String(Number(token)) === token ? token : `"${MARK}${token}"`));
  return JSON.parse(marked, (_key, value) => (typeof value === "string" && value.startsWith(MARK) ? new Exact(value.slice(MARK.length)) : value));
}

/** @param {any} value @param {number} [indent] */
export const stringify = (value, indent) => JSON.stringify(value, null, indent)?.replace(MARKED, "$1");

/** The number that was typed; undefined for what is none. @param {string} text */
export function numberOf(text) {
  const number = Number(text), digits = text.trim();
  if (digits === "" || Number.isNaN(number)) return undefined;
  return /^[-+]?\d+$/.test(digits) && !Number.isSafeInteger(number) ? new Exact(String(BigInt(digits.replace("+", "")))) : number;
}
