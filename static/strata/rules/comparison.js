/** `is` and its value: the words and the input come from the type of what is compared. */

import { h, select } from "./dom.js";
import { inputOf, startOf } from "./inputs.js";
import { Exact } from "./json.js";
import { matching } from "./server.js";
import { at, pathText } from "./tree.js";

/**
 * @typedef {import("./tree.js").Path} Path
 * @typedef {import("./server.js").Option} Option
 *
 * @param {object} asked
 * @param {import("./builder.js").StrataRule} asked.builder
 * @param {Path} asked.path of the object that has `is` and `value`
 * @param {any} asked.node that object
 * @param {string} [asked.type] of what is compared; "" where it is not known
 * @param {{value: string, label: string}[]} [asked.types] those to choose from, where nothing says the type
 * @param {boolean} [asked.built_in] whether a property is one of the built-in numbers
 * @param {string[]} [asked.events] whose property is compared
 * @param {Record<string, any>} [asked.defaults] what counts where `is` is absent
 * @param {(term: string) => Promise<Option[]>} [asked.suggest]
 * @param {Option[]} [asked.options] the only values that there are
 */
export function comparison(asked) {
  const { builder, path, node, types } = asked, { say, server } = builder, { words } = server.language;
  const hint = pathText(path);
  const given = node.is === undefined && asked.defaults ? asked.defaults : node;
  const type = types ? typeOf(asked) : asked.type ?? "";
  const offered = words[type] ?? words[""];
  const word = offered.find((each) => each.word === given.is);

  /** @param {string} to @param {string} name */
  function choose(to, name) {
    const form = words[to].find((each) => each.word === name)?.form ?? null;
    const typed = at(builder.rule, path) ?? {};  // since this was drawn
    const value = form ? fitting(word?.form, form, (typed.is === undefined && asked.defaults ? asked.defaults : typed).value) : undefined;
    builder.hints.set(hint, to);
    builder.change(path, ({ value: _old, ...rest }) => ({ ...rest, is: name, ...(value === undefined ? {} : { value }) }),
      { step: `${hint}.is`, focus: `${pathText([...path, "is"])}|` });
  }

  const pairs = (of) => words[of].map((each) => [`${of}:${each.word}`, each.label]);
  const inUse = types && !asked.built_in ? [type, ...types.map(({ value }) => value).filter((each) => each !== type)] : [type];
  const choices = inUse.length > 1
    ? inUse.map((of) => ({ label: types?.find(({ value }) => value === of)?.label ?? of, options: pairs(of) })) : pairs(type in words ? type : "");
  const current = `${type}:${given.is ?? ""}`;
  if (!word) choices.unshift(["", given.is ?? say.choose]);
  const which = h("span", { class: "sr-value", "data-path": pathText([...path, "is"]) },
    select(choices, word ? current : "", (chosen) => {
      const [to, name] = chosen.split(":");
      if (name) choose(to, name);
    }, { "aria-label": say.operator, "data-focus": `${pathText([...path, "is"])}|` }));
  if (!word?.form) return [which];

  const suggest = asked.options ? async (term) => matching(asked.options ?? [], term)
    : types ? (term) => server.values({ event: asked.events ?? [], property: node.key ?? "", q: term }) : asked.suggest;
  const isChoice = asked.options && ["eq", "ne"].includes(word.word);
  return [which, inputOf(word.form, {
    builder, path: [...path, "value"], value: given.value, label: say.value, suggest: SUGGESTED.has(word.word) ? suggest : undefined,
    options: isChoice || (asked.options && word.form.input === "list") ? asked.options : undefined,
  })];
}

// Words whose value is a whole value; a piece of text is none.
const SUGGESTED = new Set(["eq", "ne", "in", "not_in", "has", "has_any", "has_all", "has_none", "starts_with"]);

/** The type that a property is compared as: what the value or the word says, what was seen, text. @param {any} asked */
function typeOf({ builder, path, node, types, built_in, events }) {
  if (built_in) return "number";
  const { words } = builder.server.language;
  const able = types.map(({ value }) => value).filter((type) => node.is === undefined || words[type].some(({ word }) => word === node.is));
  const value = Array.isArray(node.value) && !able.includes("list") ? node.value[0] : node.value;
  const spoken = { string: "text", number: "number", boolean: "boolean" }[value instanceof Exact ? "number" : typeof value];
  if (able.length === 1) return able[0];
  if (spoken && able.includes(spoken)) return spoken;
  const hinted = builder.hints.get(pathText(path)) ?? builder.propertyType(events, node.key);
  return able.includes(hinted) ? hinted : able[0] ?? "text";
}

/** The value for another word, as far as it fits there. @param {any} from @param {any} to forms @param {any} value */
function fitting(from, to, value) {
  if (value === undefined || !from) return startOf(to);
  if (from.input === to.input && from.item?.input === to.item?.input) {
    return from.input === "variants" && !to.variants.some(({ keys }) => Object.keys(value)[0] in keys) ? startOf(to) : value;
  }
  const texts = new Set(["text", "scalar"]);
  const alike = (one, other) => one?.input === other?.input || (texts.has(one?.input) && texts.has(other?.input));
  if (to.input === "list" && alike(from, to.item)) return [value];
  if (from.input === "list" && alike(from.item, to)) return value[0];
  if (alike(from, to)) return value;
  return startOf(to);
}
