/** Elements made by hand: the builder draws its tree anew after each change of its shape. */

/**
 * Make an element. Attributes: `class`, `on…` (listeners), a boolean for its presence, null for none; others as text.
 * @param {string} tag
 * @param {Record<string, any>} [attributes]
 * @param {...any} children nodes or text; null, false and undefined are left out
 * @returns {any}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value") /** @type {any} */ (element).value = value ?? "";
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** An icon of the font that Unfold ships. @param {string} name */
export const icon = (name) => h("span", { class: "material-symbols-outlined sr-icon", "aria-hidden": "true" }, name);

/**
 * A button that is an icon; its label is read and shown on hovering.
 * @param {string} name of the icon
 * @param {string} label
 * @param {(event: Event) => void} act
 * @param {Record<string, any>} [more] further attributes
 */
export const iconButton = (name, label, act, more = {}) =>
  h("button", { type: "button", class: "sr-tool", "aria-label": label, title: label, onclick: act, ...more }, icon(name));

/**
 * A drop-down of `[value, label]` pairs, or of `{label, options}` with pairs of their own.
 * @param {any[]} choices
 * @param {string} chosen
 * @param {(value: string) => void} pick
 * @param {Record<string, any>} [more] further attributes
 */
export function select(choices, chosen, pick, more = {}) {
  const option = ([value, label]) => h("option", { value, selected: value === chosen }, label);
  const children = choices.map((choice) =>
    Array.isArray(choice) ? option(choice) : h("optgroup", { label: choice.label }, choice.options.map(option)));
  return h("select", { class: "sr-input", onchange: (event) => pick(event.target.value), ...more }, children);
}

/**
 * Put something that is in the top layer beneath an element, or above it where there is more room.
 * @param {HTMLElement} floating
 * @param {HTMLElement} anchor
 * @param {number} [most] its height
 */
export function placeBeside(floating, anchor, most = 320) {
  const { top, bottom, left } = anchor.getBoundingClientRect(), below = innerHeight - bottom, isBelow = below > 240 || below > top;
  floating.style.maxHeight = `${Math.min(most, (isBelow ? below : top) - 8)}px`;
  floating.style.left = `${Math.max(4, Math.min(left, innerWidth - floating.offsetWidth - 4))}px`;
  floating.style.top = isBelow ? `${bottom + 2}px` : "auto";
  floating.style.bottom = isBelow ? "auto" : `${innerHeight - top + 2}px`;
}

/**
 * Put values into the places of a text: "%(n)s of %(total)s".
 * @param {string} text
 * @param {Record<string, any>} values
 */
export const fill = (text, values) => text.replace(/%\((\w+)\)s/g, (_all, name) => values[name]);
