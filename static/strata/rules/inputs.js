/**
 * Inputs for values, one for each `input` that the server's shapes ask for (cdp/rules/forms.py). A new shape is a new
 * function in INPUTS; a new operator needs none.
 *
 * @typedef {import("./tree.js").Path} Path
 * @typedef {import("./server.js").Option} Option
 *
 * @typedef {object} Site where an input stands
 * @property {import("./builder.js").StrataRule} builder
 * @property {Path} path of the value
 * @property {any} value undefined where there is none
 * @property {string} label what is read for it
 * @property {boolean} [optional] whether it may be left out
 * @property {(term: string) => Promise<Option[]>} [suggest] values that are known
 * @property {Option[]} [options] the only values that there are
 * @property {string[]} [events] names of the events whose properties are meant
 */

import { combobox } from "./combobox.js";
import { comparison } from "./comparison.js";
import { fill, h, iconButton, select } from "./dom.js";
import { numberOf, parse, stringify } from "./json.js";
import { matching } from "./server.js";
import { pathText, same } from "./tree.js";

const START = 30;  // days or hours to begin with

/** @param {any} form @param {Site} site @returns {any} */
export function inputOf(form, site) {
  const make = INPUTS[form.input] ?? INPUTS.value;
  return h("span", { class: `sr-value sr-of-${form.input}`, "data-path": pathText(site.path) }, make(form, site));
}

/** What a new value of a form begins with; undefined for nothing. @param {any} form @returns {any} */
export function startOf(form) {
  if (form.start !== undefined) return form.start;
  if (form.input === "boolean") return true;
  if (form.input === "variants") return variantStart(form.variants[0]);
  return undefined;
}

const focusKey = (site, part = "") => ({ "data-focus": `${pathText(site.path)}|${part}` });

/** @type {Record<string, (form: any, site: Site) => any>} */
const INPUTS = {
  text(form, site) {
    const { builder, path } = site;
    if (site.options) return chooser(site, site.options);
    if (site.suggest) return suggested(site);
    return h("input", {
      type: "text", class: "sr-input", value: site.value, maxlength: form.most, "aria-label": site.label, ...focusKey(site),
      oninput: (event) => builder.set(path, textOrNothing(event.target.value, site), { typing: true }),
    });
  },

  number(form, site) {
    const { builder, path } = site, isWhole = form.whole === true;
    const input = h("input", {
      type: "number", class: "sr-input sr-number", value: site.value, min: form.least, max: form.most, inputmode: "decimal",
      step: isWhole ? 1 : "any", "aria-label": site.label, placeholder: site.optional ? builder.say.optional : "", ...focusKey(site),
      oninput: (event) => builder.set(path, numberOf(event.target.value), { typing: true }),
    });
    return form.unit ? [input, h("span", { class: "sr-word" }, form.unit)] : input;
  },

  boolean(_form, site) {
    const { say } = site.builder, choices = [["true", say.yes], ["false", say.no]];
    return select(choices, String(site.value), (chosen) => site.builder.set(site.path, chosen === "true"),
      { "aria-label": site.label, ...focusKey(site) });
  },

  day(_form, site) {
    return h("input", {
      type: "date", class: "sr-input", value: site.value, "aria-label": site.label, min: "1000-01-01", max: "9998-12-31", ...focusKey(site),
      oninput: (event) => site.builder.set(site.path, event.target.value || undefined, { typing: true }),
    });
  },

  one(form, site) {
    const { builder, path } = site, choices = form.options.map(({ value, label }) => [value, label]);
    if (!form.options.some(({ value }) => value === site.value)) choices.unshift(["", site.optional ? builder.say.any_value : builder.say.choose]);
    else if (site.optional) choices.unshift(["", builder.say.any_value]);
    return select(choices, site.value ?? "", (chosen) => builder.set(path, chosen || undefined),
      { "aria-label": site.label, ...focusKey(site) });
  },

  scalar: (_form, site) => suggested(site, true),

  list(form, site) {
    if (form.item.input === "fields") return cards(form, site);
    const known = asKnown(site), read = form.item.input === "number" ? numberOf : form.item.input === "scalar" ? known.parse : (text) => text;
    return chips(site, {
      options: site.options ? async (term) => matching(site.options ?? [], term) : known.suggest,
      free: site.options ? null : read,
      labelOf: (value) => site.options?.find((option) => option.value === value)?.label ?? String(value),
    });
  },

  names(form, site) {
    const { server } = site.builder, isOne = !Array.isArray(site.value);
    const value = site.value === undefined || site.value === "" ? [] : [site.value].flat();
    return chips({ ...site, value }, {
      options: (term) => server.find(form.of, term),
      free: (text) => text,
      labelOf: (name) => server.known(form.of, name)?.label ?? name,
      write: (names) => (names.length < 2 ? names[0] : names),
      pathOf: (index) => (isOne ? site.path : [...site.path, index]),
      between: site.builder.say.or,
      noteOf: (name) => (server.isUnknown(form.of, name) ? site.builder.say.unseen : ""),
    });
  },

  name(form, site) {
    const { builder } = site, { server } = builder, known = server.known(form.of, site.value);
    return combobox({
      label: site.label, text: known?.label ?? site.value ?? "", placeholder: builder.say.choose, keeps: true, say: builder.say,
      options: async (term) => (await server.find(form.of, term)).map((option) => ({ ...option, barred: server.barred(form.of, option.value) })),
      pick: (option) => builder.set(site.path, option.value),
      more: focusKey(site),
    });
  },

  property(form, site) {
    const { builder } = site, { server } = builder;
    const built_in = form.built_in.find(({ value }) => value === site.value);
    return combobox({
      label: site.label || builder.say.property, text: built_in?.label ?? site.value ?? "", placeholder: builder.say.property, keeps: true,
      say: builder.say,
      options: async (term) => matching([...await server.properties(site.events ?? []), ...form.built_in], term),
      pick: (option) => builder.set(site.path, option.value),
      free: (text, isLeaving) => builder.set(site.path, text || undefined, { focus: isLeaving ? null : undefined }),
      more: focusKey(site),
    });
  },

  pair(form, site) {
    const { say } = site.builder, value = site.value ?? [];
    const end = (index, label) => inputOf(form.item, {
      ...site, path: [...site.path, index], value: value[index] ?? undefined, label: `${site.label}: ${label}`, optional: false,
    });
    return [end(0, say.from), h("span", { class: "sr-dash", "aria-hidden": "true" }, "–"), end(1, say.to)];
  },

  variants(form, site) {
    const { builder, path, value } = site, { say } = builder;
    const offered = site.optional && !form.variants.some(({ absent }) => absent)
      ? [{ label: say.any_value, absent: true }, ...form.variants] : form.variants;
    const chosen = offered.findIndex((variant) => isVariant(variant, value));
    const labels = offered.map(({ label }, index) => [String(index), label.replace(/^… /, "")]);
    if (chosen < 0) labels.unshift(["", say.choose]);
    const which = select(labels, String(chosen), (index) => {
      const keys = offered[Number(index)].keys;
      builder.set(path, variantStart(offered[Number(index)]), { focus: keys && `${pathText([...path, Object.keys(keys)[0]])}|` });
    }, { "aria-label": site.label, ...focusKey(site, "which") });
    const keys = Object.entries(offered[chosen]?.keys ?? {});
    const inner = keys.map(([key, inside]) => inputOf(inside, {
      ...site, path: [...path, key], value: value[key], label: offered[chosen].label, optional: false,
    }));
    return offered[chosen]?.label.startsWith("… ") ? [...inner, which] : [which, ...inner];
  },

  fields(form, site) {
    const { builder, path } = site, value = site.value;
    if (value === undefined && site.optional) {
      return addButton(site, site.label, () => builder.set(path, {}, { focus: `${pathText([...path, Object.keys(form.fields)[0]])}|` }));
    }
    const events = value?.name === undefined ? [] : [value.name].flat();
    const inputs = Object.entries(form.fields).map(([key, inside]) => inputOf(inside, {
      ...site, events, path: [...path, key], value: value?.[key], label: site.label, optional: form.optional.includes(key), options: undefined, suggest: undefined,
    }));
    const drop = site.optional && iconButton("close", fill(builder.say.remove, { text: site.label }), () => builder.set(path, undefined));
    return [inputs, drop];
  },

  where(form, site) {
    const { builder, path } = site, { say } = builder, rows = site.value ?? [];
    const add = () => builder.set([...path, rows.length], { is: "eq" }, { focus: `${pathText([...path, rows.length, "key"])}|` });
    return h("div", { class: "sr-where" }, rows.map((row, index) => h("div", { class: "sr-row", "data-path": pathText([...path, index]) },
      h("span", { class: "sr-word" }, index ? say.and : say.where),
      inputOf(form.property, { ...site, path: [...path, index, "key"], value: row?.key, label: say.property }),
      comparison({
        builder, path: [...path, index], node: row ?? {}, types: form.types, built_in: form.property.built_in.some(({ value }) => value === row?.key),
        events: site.events ?? [],
      }),
      iconButton("close", fill(say.remove, { text: row?.key ?? say.property }), () =>
        builder.set(rows.length > 1 ? [...path, index] : path, undefined, { focus: `${pathText(path)}|add` })),
    )), addButton({ ...site, path }, rows.length ? say.and_where : say.add_where, add));
  },

  value(_form, site) {
    const { builder, path } = site;
    const text = site.value === undefined ? "" : stringify(site.value);
    return h("input", {
      type: "text", class: "sr-input sr-code", value: text, "aria-label": site.label, ...focusKey(site),
      onchange: (event) => builder.set(path, parsed(event.target.value)),
    });
  },
};

/** One value out of what is known, or any other text. @param {Site} site @param {boolean} [isScalar] whether it may be of another type */
function suggested(site, isScalar = false) {
  const { builder, path } = site, known = asKnown(site);
  return combobox({
    label: site.label, text: site.value === undefined ? "" : String(site.value), keeps: true, say: builder.say,
    options: known.suggest, more: focusKey(site),
    pick: (option) => builder.set(path, option.value),
    free: (text, isLeaving) => builder.set(path, isScalar && text ? known.parse(text) : text || undefined, { focus: isLeaving ? null : undefined }),
  });
}

/**
 * What is typed, as the value that was suggested for it: 5 where people have the number, "5" where they have the text.
 * @param {Site} site
 * @returns {{suggest: (term: string) => Promise<Option[]>, parse: (text: string) => any}}
 */
function asKnown(site) {
  const seen = new Map([site.value ?? []].flat().map((value) => [String(value), value]));
  return {
    async suggest(term) {
      const options = await site.suggest?.(term) ?? [];
      for (const { value } of options) seen.set(String(value), value);
      return options;
    },
    parse: (text) => (seen.has(text) ? seen.get(text) : text),
  };
}

/** One of a few. @param {Site} site @param {Option[]} options */
function chooser(site, options) {
  return INPUTS.one({ options: options.map(({ value, label }) => ({ value, label })) }, site);
}

/**
 * Values as chips, with a combobox for the next.
 * @param {Site} site
 * @param {{options: (term: string) => Promise<Option[]>, free: ((text: string) => any) | null, labelOf: (value: any) => string,
 *          write?: (values: any[]) => any, pathOf?: (index: number) => Path, between?: string, noteOf?: (value: any) => string}} how
 */
function chips(site, { options, free, labelOf, write = (values) => values, pathOf = (index) => [...site.path, index], between = "", noteOf = () => "" }) {
  const { builder, path } = site, { say } = builder, values = site.value ?? [];
  const keep = (list, focus = `${pathText(path)}|next`) => builder.set(path, list.length ? write(list) : undefined, { focus });
  const add = (value) => (value === undefined || values.some((each) => same(each, value)) ? builder.redraw() : keep([...values, value]));
  const drop = (index) => keep(values.filter((_value, each) => each !== index));

  /** @param {string[]} texts @param {string | null} [focus] */
  function addAll(texts, focus) {
    const had = new Set(values.map((value) => stringify(value))), fresh = new Map(texts.map((text) => free?.(text)).map((part) => [stringify(part), part]));
    const parts = [...fresh].filter(([written, part]) => part !== undefined && !had.has(written)).map(([, part]) => part);
    if (parts.length) keep([...values, ...parts], focus);
  }

  const input = combobox({
    label: site.label, placeholder: values.length ? "+" : site.optional ? say.any_value : say.choose, say,
    options: async (term) => (await options(term)).filter(({ value }) => !values.some((each) => same(each, value))),
    pick: (option) => add(option.value),
    free: free && ((text, isLeaving) => addAll(text.split(/[,，、;；]/).map((part) => part.trim()).filter(Boolean), isLeaving ? null : undefined)),
    lines: free && addAll,
    backspace: () => { if (values.length) drop(values.length - 1); },
    more: focusKey(site, "next"),
  });
  return h("span", { class: "sr-chips" }, values.map((value, index) => [
    between && index ? h("span", { class: "sr-word" }, between) : null,
    h("span", { class: "sr-chip", "data-path": pathText(pathOf(index)) }, h("span", {}, labelOf(value)),
      noteOf(value) && h("span", { class: "sr-note" }, noteOf(value)),
      iconButton("close", fill(say.remove, { text: labelOf(value) }), () => drop(index), { class: "sr-x" })),
  ]), input);
}

/** A list of things that each have fields, such as steps. @param {any} form @param {Site} site */
function cards(form, site) {
  const { builder, path } = site, { say } = builder, items = site.value ?? [];
  return h("div", { class: "sr-cards" }, items.map((item, index) => h("div", { class: "sr-row", "data-path": pathText([...path, index]) },
    h("span", { class: "sr-word" }, `${index + 1}.`),
    inputOf(form.item, { ...site, path: [...path, index], value: item, label: `${say.step} ${index + 1}`, optional: false }),
    iconButton("close", fill(say.remove, { text: `${say.step} ${index + 1}` }), () => builder.set([...path, index], undefined, { focus: `${pathText(path)}|add` })),
  )), items.length < (form.most ?? Infinity) && addButton(site, say.add_step, () =>
    builder.set([...path, items.length], {}, { focus: `${pathText([...path, items.length, Object.keys(form.item.fields)[0]])}|` })));
}

/** @param {Site} site @param {string} label @param {() => void} act */
const addButton = (site, label, act) =>
  h("button", { type: "button", class: "sr-add sr-small", onclick: act, ...focusKey(site, "add") }, `+ ${label}`);

/** @param {any} variant @param {any} value */
function isVariant(variant, value) {
  if (variant.absent) return value === undefined;
  if ("constant" in variant) return same(variant.constant, value);
  const isObject = value !== null && typeof value === "object" && !Array.isArray(value);
  return isObject && same(Object.keys(variant.keys).sort(), Object.keys(value).sort());
}

/** @param {any} variant */
function variantStart(variant) {
  if (!variant || variant.absent) return undefined;
  if ("constant" in variant) return variant.constant;
  return Object.fromEntries(Object.entries(variant.keys).map(([key, form]) =>
    [key, startOf(form) ?? (form.input === "number" ? Math.min(START, form.most ?? START) : form.input === "day" ? today() : "")]));
}

/** Today where the reader is, as the rules write it. */
function today() {
  const now = new Date(), two = (n) => String(n).padStart(2, "0");
  return `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}`;
}

/** @param {string} text @param {Site} site */
const textOrNothing = (text, site) => (text === "" && site.optional ? undefined : text);

/** @param {string} text */
function parsed(text) {
  if (text.trim() === "") return undefined;
  try { return parse(text); } catch { return text; }
}
