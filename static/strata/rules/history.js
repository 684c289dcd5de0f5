/** What was, and what was undone. */

const TYPING_MS = 1500;  // what is typed within is one step
const MOST = 200;

export class History {
  constructor() {
    /** @type {{rule: any, focus: string}[]} */
    this.past = [];
    /** @type {{rule: any, focus: string}[]} */
    this.future = [];
    this.typed = { place: "", at: 0 };
  }

  /** Note what was before a change. @param {any} rule @param {string} focus @param {string} typing the place, where it is being typed */
  note(rule, focus, typing = "") {
    const now = Date.now(), goesOn = typing && typing === this.typed.place && now - this.typed.at < TYPING_MS;
    this.typed = { place: typing, at: now };
    this.future = [];
    if (!goesOn) this.past = [...this.past, { rule, focus }].slice(-MOST);
  }

  /** The rule before the last change, given the one now; null where there is none. @param {any} rule @param {string} focus */
  undo(rule, focus) { return this.step(this.past, this.future, rule, focus); }

  /** @param {any} rule @param {string} focus */
  redo(rule, focus) { return this.step(this.future, this.past, rule, focus); }

  /** @param {{rule: any, focus: string}[]} from @param {{rule: any, focus: string}[]} to @param {any} rule @param {string} focus */
  step(from, to, rule, focus) {
    const found = from.pop();
    if (!found) return null;
    to.push({ rule, focus });
    this.typed = { place: "", at: 0 };
    return found;
  }
}
