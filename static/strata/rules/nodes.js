/** How groups and conditions look. Everything is drawn from the rule; what stands where is told by `data-…` attributes. */

import { combobox } from "./combobox.js";
import { comparison } from "./comparison.js";
import { fill, h, icon, iconButton, select } from "./dom.js";
import { inputOf } from "./inputs.js";
import { stringify } from "./json.js";
import { matching } from "./server.js";
import { at, inside, isGroup, kindOf, pathText, put } from "./tree.js";

/**
 * @typedef {import("./tree.js").Path} Path
 * @typedef {import("./server.js").Option} Option
 * @typedef {import("./builder.js").StrataRule} Builder
 */

/** A node, whatever it is. @param {Builder} builder @param {Path} path @param {number} [index] @param {number} [total] */
export function nodeView(builder, path, index = 0, total = 1) {
  const { core } = inside(at(builder.rule, path), path);
  if (isGroup(core)) return groupView(builder, path, index, total);
  return conditionView(builder, path, index, total);
}

/** @param {Builder} builder @param {Path} path @param {number} index @param {number} total */
function groupView(builder, path, index, total) {
  const { say } = builder, { core, path: within, n } = inside(at(builder.rule, path), path);
  const kind = kindOf(core), list = [...within, kind], isRoot = !path.length;
  const choices = [["all", say.all], ["any", say.any], ["not any", say.not_any], ["not all", say.not_all]];
  const which = select(choices, n ? `not ${kind}` : kind, (chosen) => builder.regroup(path, chosen), {
    class: "sr-input sr-kind", "aria-label": say.group_is, "data-focus": `${pathText(path)}|kind`,
  });
  const name = isRoot ? say.builder : fill(say.group_n, { n: index + 1, total });
  return h("section", { class: `sr-group${isRoot ? " sr-root" : ""}${n % 2 ? " sr-negated" : ""}`, role: "group", "aria-label": name, "data-node": pathText(path) },
    h("header", { class: "sr-head", "data-path": pathText(list) },
      isRoot ? null : handle(builder, path, name), which, extraNots(builder, path, n - 1),
      isRoot ? null : h("span", { class: "sr-n", "data-n": pathText(path), "aria-live": "off" }), tools(builder, path, isRoot)),
    h("ol", {
      class: "sr-items", "data-list": pathText(list), style: `--sr-join: "${kind === "all" ? say.and : say.or}"`,
      "x-sort": "", "x-sort:group": builder.sortGroup, "x-sort:config": "$el.closest('strata-rule').sorting",
    }, core[kind].map((_child, each) => h("li", { class: "sr-item", "x-sort:item": `'${each}'` }, nodeView(builder, [...list, each], each, core[kind].length)))),
    adder(builder, list));
}

/** @param {Builder} builder @param {Path} path @param {number} index @param {number} total */
function conditionView(builder, path, index, total) {
  const { say, server } = builder, { core, path: within, n } = inside(at(builder.rule, path), path);
  const operator = server.operators.get(core?.op), name = fill(say.condition_n, { n: index + 1, total });
  const { inline, blocks } = operator ? paramViews(builder, operator, core, within) : unknownView(builder, core);
  const title = operator && h("span", { class: "sr-op" }, icon(operator.icon), operator.label);
  return h("div", { class: `sr-condition${n % 2 ? " sr-negated" : ""}`, role: "group", "aria-label": name, "data-node": pathText(path), "data-path": pathText(within) },
    handle(builder, path, name),
    h("div", { class: "sr-body" }, h("div", { class: "sr-line" }, extraNots(builder, path, n), title, inline), blocks),
    tools(builder, path, !path.length));
}

/**
 * The inputs of a condition's parameters: those of the first line, and what stands beneath. Conditions on properties come
 * last, and are in the line as long as there are none.
 * @param {Builder} builder
 * @param {any} operator
 * @param {any} node
 * @param {Path} path
 */
function paramViews(builder, operator, node, path) {
  const lines = [/** @type {any[]} */ ([])], last = [];
  for (const param of operator.params.filter(({ key }) => !(operator.typed_by && key === "value"))) {
    const view = paramView(builder, operator, param, node, path), isGiven = node[param.key] !== undefined;
    if (param.form.input === "where") last.push({ view, isGiven });
    else if (isBlock(param.form) && isGiven) lines.push([view], []);
    else lines[lines.length - 1].push(view);
  }
  for (const { view, isGiven } of last) (isGiven ? lines[lines.push([]) - 1] : lines[lines.length - 1]).push(view);
  const [inline, ...rest] = lines;
  return { inline, blocks: rest.filter(({ length }) => length).map((line) => h("div", { class: "sr-line" }, line)) };
}

/** @param {Builder} builder @param {any} operator @param {any} param @param {any} node @param {Path} path */
function paramView(builder, operator, { key, form, label, required, among }, node, path) {
  const { server } = builder, compared = comparedOption(server, operator, node);
  if (operator.typed_by && key === "is") {
    return h("span", { class: "sr-param" }, comparison({
      builder, path, node, type: operator.typed_by in server.language.words ? operator.typed_by : compared?.type,
      defaults: Object.keys(operator.defaults).length ? operator.defaults : undefined,
      options: compared?.options, suggest: suggester(server, operator, node),
    }));
  }
  const named = operator.params.find((each) => each.form.input === "names"), above = operator.params.find((each) => each.key === among);
  const input = inputOf(form, {
    builder, path: [...path, key], value: node[key], label: label || (form.of ? operator.label : key), optional: !required,
    options: above && (server.known(above.form.of, node[among])?.options ?? []),
    events: named && node[named.key] !== undefined ? [node[named.key]].flat() : [],
  });
  return h("span", { class: "sr-param" }, label ? h("span", { class: "sr-word" }, label) : null, input);
}

const isBlock = (form) => form.input === "fields" || (form.input === "list" && form.item.input === "fields");

/** What is known of what a condition compares: the attribute, the field of a score. */
function comparedOption(server, operator, node) {
  const param = operator.params.find(({ key }) => key === operator.typed_by);
  if (!param) return undefined;
  if (param.form.of) return server.known(param.form.of, node[param.key]);
  const above = operator.params.find(({ key }) => key === param.among);
  return server.known(above.form.of, node[above.key])?.options?.find(({ value }) => value === node[param.key]);
}

function suggester(server, operator, node) {
  const param = operator.params.find(({ key }) => key === operator.typed_by);
  if (!param?.form.of || node[param.key] === undefined) return undefined;
  return (term) => server.values({ kind: param.form.of, name: node[param.key], q: term });
}

/** @param {Builder} builder @param {any} core */
function unknownView(builder, core) {
  return { inline: [h("span", { class: "sr-quiet" }, builder.say.unknown), h("code", { class: "sr-code" }, stringify(core))], blocks: [] };
}

/** A word for each negation, which takes it away. @param {Builder} builder @param {Path} path @param {number} n */
function extraNots(builder, path, n) {
  return Array.from({ length: Math.max(0, n) }, (_each, index) => h("button", {
    type: "button", class: "sr-not", title: builder.say.negate, "aria-pressed": "true", onclick: () => builder.negate(path, false),
    "data-focus": `${pathText(path)}|not${index}`,
  }, builder.say.not));
}

/** What is dragged, and where the keys of a node work. @param {Builder} builder @param {Path} path @param {string} name */
function handle(builder, path, name) {
  return h("button", {
    type: "button", class: "sr-handle", "x-sort:handle": "", title: builder.say.move, "aria-label": `${name}. ${builder.say.move}`,
    "data-focus": `${pathText(path)}|handle`,
  }, icon("drag_indicator"));
}

/** @param {Builder} builder @param {Path} path @param {boolean} isRoot */
function tools(builder, path, isRoot) {
  const { say } = builder, node = at(builder.rule, path), { core, n } = inside(node, path), place = pathText(path);
  const tool = (name, label, act) => iconButton(name, label, act, { "data-focus": `${place}|${name}` });
  return h("span", { class: "sr-tools", role: "group", "aria-label": say.more },
    isGroup(core) ? null : tool("block", say.negate, () => builder.negate(path, n === 0)),
    tool("content_copy", say.copy, () => builder.copy(path)),
    isRoot ? null : tool("control_point_duplicate", say.duplicate, () => builder.duplicate(path)),
    isGroup(core) && !isRoot ? tool("unfold_less", say.unwrap, () => builder.unwrap(path)) : tool("data_array", say.wrap, () => builder.wrap(path)),
    tool("delete", say.delete, () => builder.discard(path)));
}

/** The buttons beneath a group that add to it. @param {Builder} builder @param {Path} list */
export function adder(builder, list) {
  const { say } = builder, place = pathText(list);
  const button = (name, label, act, part) =>
    h("button", { type: "button", class: "sr-add", onclick: act, "data-focus": `${place}|${part}` }, icon(name), label);
  return h("footer", { class: "sr-foot", "data-adder": place },
    button("add", say.add_condition, () => builder.pick(list), "add"),
    button("data_array", say.add_group, () => builder.addGroup(list), "add-group"),
    button("content_paste", say.paste, () => builder.pasteInto(list), "paste"));
}

/** The list of all that a condition can be about, in place of the button that opened it. @param {Builder} builder @param {(node: any) => void} take @param {() => void} leave */
export function picker(builder, take, leave) {
  const { say } = builder;
  return combobox({
    label: say.search, placeholder: say.search, say, options: (term) => everything(builder, term), leave,
    pick: (option) => take(option.value), more: { class: "sr-input sr-search" },
  });
}

/** All names and operators with a term in them, by operator. @param {Builder} builder @param {string} term @returns {Promise<Option[]>} */
async function everything(builder, term) {
  const { server, say } = builder, seen = new Set(), plain = [];
  const sections = await Promise.all(server.language.operators.map(async (operator) => {
    const [first] = operator.params, of = first.form.of;
    if (!of || seen.has(of)) {
      plain.push({ value: builder.fresh(operator), label: operator.label, icon: operator.icon, section: say.more });
      return [];
    }
    seen.add(of);
    const isMeant = term && matching([{ value: operator.op, label: operator.label }], term).length > 0;
    const found = await server.find(of, isMeant ? "" : term);
    const offer = (value, label, hint) => ({ value, label, hint, icon: operator.icon, section: operator.label, barred: server.barred(of, value[first.key]) });
    return [
      ...found.slice(0, term ? 20 : 60).map((option) => offer(builder.fresh(operator, option), option.label, option.hint)),
      ...below(builder, operator, term).map(({ node, label, hint }) => offer(node, label, hint)),
    ];
  }));
  return [...sections.flat(), ...matching(plain, term)];
}

/** What is known below the names of an operator and has the term in it: the tier of a scheme, the value of a tag. @param {Builder} builder @param {any} operator @param {string} term */
function below(builder, operator, term) {
  const [first] = operator.params, param = operator.params.find(({ among }) => among === first.key);
  if (!param || !term) return [];
  const above = [...(builder.server.names.get(first.form.of)?.values() ?? [])];
  return above.flatMap((option) => matching(option.options ?? [], term).map((each) => {
    const node = put(builder.fresh(operator, option), [param.key], param.form.input === "list" ? [each.value] : each.value);
    return { node: operator.typed_by === param.key ? builder.compared(operator, node) : node, label: each.label, hint: option.label };
  })).slice(0, 20);
}
