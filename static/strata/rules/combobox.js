/** An input with a list to choose from, by mouse or by keyboard, after the ARIA pattern of a combobox. */

import { fill, h, icon, placeBeside } from "./dom.js";

let n = 0;
const MOST = 200;  // lines of a list; what is typed narrows it

/**
 * @typedef {import("./server.js").Option} Option
 *
 * @param {object} asked
 * @param {string} asked.label what is read for the input
 * @param {string} [asked.text] what it shows
 * @param {string} [asked.placeholder]
 * @param {(term: string) => Promise<Option[]> | Option[]} asked.options
 * @param {(option: Option) => void} asked.pick
 * @param {((text: string, isLeaving: boolean) => void) | null} [asked.free] takes what was typed and is no option, by Enter
 *        or on leaving the input; null for options alone
 * @param {((lines: string[]) => void) | null} [asked.lines] takes several lines that are pasted, such as a column of a spreadsheet
 * @param {boolean} [asked.keeps] whether the text stays in the input after picking
 * @param {() => void} [asked.leave] called when the list closes without a choice
 * @param {(event: KeyboardEvent) => void} [asked.backspace] called in the empty input
 * @param {Record<string, string>} asked.say
 * @param {Record<string, any>} [asked.more] further attributes of the input
 * @returns {any} the element; its `input` is the input
 */
export function combobox(asked) {
  const { say } = asked, id = `sr-list-${(n += 1)}`;
  const list = h("ul", { class: "sr-list", role: "listbox", id, popover: "manual", "aria-label": asked.label });
  const input = h("input", {
    type: "text", class: "sr-input", role: "combobox", "aria-expanded": "false", "aria-controls": id, autocomplete: "off",
    "aria-autocomplete": "list", "aria-label": asked.label, placeholder: asked.placeholder ?? "", value: asked.text ?? "",
    spellcheck: "false", ...asked.more,
  });
  list.addEventListener("mousedown", (event) => event.preventDefault());  // the input keeps the focus
  const box = h("span", { class: "sr-combo" }, input, list);
  let shown = /** @type {Option[]} */ ([]), active = -1, asking = 0, isDirty = false, isOpen = false;
  let isCurrent = false, isEntered = false;  // whether the lines are those of what is typed; whether one is to be taken once they are

  const fit = () => { input.size = Math.max(2, Math.min(32, [...(input.value || input.placeholder)].reduce((sum, c) => sum + (c > "\u2e7f" ? 2 : 1), 1))); };

  async function open() {
    const mine = (asking += 1), term = isDirty ? input.value : "";
    isCurrent = isEntered = false;
    list.setAttribute("aria-busy", "true");
    if (!isOpen) {
      isOpen = true;
      list.showPopover();
      list.replaceChildren(h("li", { class: "sr-quiet" }, say.loading));
      place();
      addEventListener("scroll", place, true);
      addEventListener("resize", place);
    }
    input.setAttribute("aria-expanded", "true");
    let found = [];
    try { found = await asked.options(term); } catch { /* the server is away: what is typed can still be taken */ }
    if (mine !== asking || !isOpen) return;
    const typed = input.value.trim(), isTyped = ({ label, value }) => label === typed || String(value) === typed;
    const exact = asked.free && isDirty && typed ? found.find(isTyped) : undefined;
    shown = (exact ? [exact, ...found.filter((option) => option !== exact)] : found).slice(0, MOST);
    if (asked.free && isDirty && typed && !exact) {
      shown.push({ value: typed, label: fill(say.use_typed, { text: typed }), icon: "edit", hint: "" });
      shown[shown.length - 1].section = "";
    }
    isCurrent = true;
    list.setAttribute("aria-busy", "false");
    draw(found.length > MOST);
    if (isEntered) enter();
  }

  /** Take the marked line, or what was typed; where the lines are still those of an older text, once they have come. */
  function enter() {
    if (isOpen && !isCurrent) isEntered = true;
    else if (isOpen && active >= 0) choose(active);
    else if (asked.free && isDirty && input.value.trim()) { isDirty = false; close(); asked.free(input.value.trim(), false); }
    else if (!isOpen) open();
  }

  /** In the top layer, so that nothing covers it. */
  function place() {
    if (!input.isConnected) return close();
    list.style.minWidth = `${Math.max(224, input.offsetWidth)}px`;
    return placeBeside(list, input);
  }

  /** @param {boolean} hasMore */
  function draw(hasMore) {
    let section = "";
    const lines = shown.flatMap((option, index) => {
      const heading = option.section && option.section !== section ? [h("li", { class: "sr-section", role: "presentation" }, option.section)] : [];
      section = option.section ?? section;
      return [...heading, h("li", {
        role: "option", id: `${id}-${index}`, class: "sr-option", "aria-selected": "false", "aria-disabled": option.barred ? "true" : null,
        onclick: () => choose(index),
      }, option.icon ? icon(option.icon) : null, h("span", { class: "sr-label" }, option.label),
        option.barred || (option.hint && option.hint !== option.label) ? h("span", { class: "sr-hint" }, option.barred || option.hint) : null)];
    });
    if (!shown.length) lines.push(h("li", { class: "sr-quiet" }, say.nothing_found));
    if (hasMore) lines.push(h("li", { class: "sr-quiet" }, say.type_more));
    list.replaceChildren(...lines);
    place();
    mark(isDirty || !asked.free ? shown.findIndex(({ barred }) => !barred) : -1);
  }

  /** @param {number} index */
  function mark(index) {
    active = index;
    for (const line of list.querySelectorAll("[role=option]")) {
      const isActive = line.id === `${id}-${index}`;
      line.setAttribute("aria-selected", String(isActive));
      if (isActive) line.scrollIntoView({ block: "nearest" });
    }
    if (index < 0) input.removeAttribute("aria-activedescendant");
    else input.setAttribute("aria-activedescendant", `${id}-${index}`);
  }

  function close() {
    asking += 1;
    if (!isOpen) return;
    isOpen = false;
    if (list.isConnected) list.hidePopover();
    list.replaceChildren();
    removeEventListener("scroll", place, true);
    removeEventListener("resize", place);
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  /** @param {number} index */
  function choose(index) {
    const option = shown[index];
    if (option.barred) return undefined;
    isDirty = false;
    close();
    if (option.section === "" && option.icon === "edit" && asked.free) return asked.free(input.value.trim(), false);
    input.value = asked.keeps ? option.label : "";
    fit();
    asked.pick(option);
  }

  input.addEventListener("paste", (event) => {
    const lines = (event.clipboardData?.getData("text/plain") ?? "").split(/[\r\n\t]+/).map((line) => line.trim()).filter(Boolean);
    if (!asked.lines || lines.length < 2) return;  // an input of one line would make one word of them
    event.preventDefault();
    close();
    asked.lines(lines);
  });
  input.addEventListener("focus", () => { if (asked.keeps) input.select(); });
  input.addEventListener("click", () => { if (!isOpen) open(); });
  input.addEventListener("input", () => { isDirty = true; fit(); open(); });
  input.addEventListener("blur", () => {
    const typed = input.value.trim(), wasDirty = isDirty;
    close();
    isDirty = false;
    if (!box.isConnected) return;
    if (wasDirty && asked.free && (typed || asked.keeps)) asked.free(typed, true);
    else if (asked.keeps) input.value = asked.text ?? "";
    else asked.leave?.();
  });
  input.addEventListener("keydown", (event) => {
    const options = shown.length;
    if (event.isComposing) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (event.shiftKey && event.altKey) return;
      event.preventDefault();
      if (!isOpen) return open();
      if (options) mark((active + (event.key === "ArrowDown" ? 1 : options - 1) + (active < 0 && event.key === "ArrowUp" ? 1 : 0)) % options);
    } else if (event.key === "Enter" && !event.altKey) {
      event.preventDefault();  // no form is sent from here
      enter();
    } else if (event.key === "Tab" && isOpen && isDirty && !asked.free && (active >= 0 || !isCurrent)) {
      if (!isCurrent) event.preventDefault();  // the focus stays until there is something to take
      enter();
    } else if (event.key === "Escape" && isOpen) {
      event.preventDefault();
      event.stopPropagation();
      isDirty = false;
      if (asked.keeps) input.value = asked.text ?? "";
      close();
      asked.leave?.();
    } else if (event.key === "Backspace" && !input.value) asked.backspace?.(event);
  });
  fit();
  box.input = input;
  box.open = () => { input.focus(); open(); };
  return box;
}
