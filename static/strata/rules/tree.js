/**
 * Rules as JSON, and the places in them. A path is a list of keys, `["all", 1, "where", 0, "is"]`; the server writes the
 * same place `all[1].where[0].is`. Every function that changes a rule returns another one.
 *
 * @typedef {(string | number)[]} Path
 * @typedef {any} Rule
 */

import { Exact, stringify } from "./json.js";

/** @param {Path} path */
export const pathText = (path) =>
  path.map((key) => (typeof key === "number" ? `[${key}]` : `.${key}`)).join("").replace(/^\./, "");

/** @param {string} text @returns {Path} */
export const pathOf = (text) =>
  [...text.matchAll(/\[(\d+)\]|([^.[\]]+)/g)].map(([, index, key]) => (index === undefined ? key : Number(index)));

/** What stands at a place; undefined where nothing does. @param {Rule} rule @param {Path} path */
export const at = (rule, path) => path.reduce((node, key) => node?.[key], rule);

/** The rule with another value at a place; undefined takes the key or the item away. @param {Rule} rule @param {Path} path @param {any} value */
export function put(rule, path, value) {
  if (!path.length) return value;
  const [key, ...rest] = path;
  const isList = Array.isArray(rule) || (rule === undefined && typeof key === "number");
  const copy = isList ? [...(rule ?? [])] : { ...rule };
  const inner = put(copy[key], rest, value);
  if (inner === undefined && Array.isArray(copy)) copy.splice(Number(key), 1);
  else if (inner === undefined) delete copy[key];
  else copy[key] = inner;
  return copy;
}

/** @param {any} node */
export const isGroup = (node) => Array.isArray(node?.all) || Array.isArray(node?.any);
/** @param {any} node */
export const isNot = (node) => node !== null && typeof node === "object" && "not" in node;
/** @param {any} node */
export const isNode = (node) => isGroup(node) || typeof node?.op === "string" || (isNot(node) && isNode(node.not));
/** @param {any} group */
export const kindOf = (group) => ("all" in group ? "all" : "any");

/**
 * What is inside of a node's negations, how many there are, and where it stands.
 * @param {Rule} node
 * @param {Path} path
 */
export function inside(node, path) {
  let n = 0;
  for (; isNot(node); n += 1) [node, path] = [node.not, [...path, "not"]];
  return { core: node, path, n };
}

/**
 * The list of children of the group at `path`, through its negations; null for what is no group.
 * @param {Rule} rule
 * @param {Path} path
 * @returns {Path | null}
 */
export function listOf(rule, path) {
  const { core, path: within } = inside(at(rule, path), path);
  return isGroup(core) ? [...within, kindOf(core)] : null;
}

/** The node around a node: its group with that group's negations; null for the root. @param {Rule} rule @param {Path} path @returns {Path | null} */
export function parentOf(rule, path) {
  if (!path.length) return null;
  let parent = path.slice(0, -2);
  while (parent.at(-1) === "not") parent = parent.slice(0, -1);
  return parent;
}

/** Every node of a rule in the order of reading, with its path; negations belong to what they negate. @param {Rule} node @param {Path} [path] @returns {Path[]} */
export function nodePaths(node, path = []) {
  if (!isNode(node)) return [path];
  const list = listOf(node, []);
  if (!list) return [path];
  return [path, ...at(node, list).flatMap((child, index) => nodePaths(child, [...path, ...list, index]))];
}

/**
 * The nodes that differ between two rules, the smallest that do. What was not changed is the same object in both.
 * @param {Rule} before
 * @param {Rule} after
 * @param {Path} [path]
 * @returns {Path[]}
 */
export function changedNodes(before, after, path = []) {
  if (before === after) return [];
  const one = inside(before, path), other = inside(after, path);
  const isAlike = one.n === other.n && isGroup(one.core) && isGroup(other.core) && kindOf(one.core) === kindOf(other.core);
  if (!isAlike) return [path];
  const list = [...other.path, kindOf(other.core)], [from, to] = [one.core, other.core].map((group) => group[kindOf(group)]);
  return from.length === to.length ? to.flatMap((node, index) => changedNodes(from[index], node, [...list, index])) : [path];
}

/** How many groups stand in one another at the deepest place of a node. @param {any} node @returns {number} */
export function depth(node) {
  if (isNot(node)) return 1 + depth(node.not);
  return isGroup(node) ? 1 + Math.max(0, ...node[kindOf(node)].map(depth)) : 0;
}

/** The rule with a node put into a list. @param {Rule} rule @param {Path} list @param {number} index @param {any} node */
export function insert(rule, list, index, node) {
  const items = [...at(rule, list)];
  items.splice(index, 0, node);
  return put(rule, list, items);
}

/** The rule without the node; undefined for the root. @param {Rule} rule @param {Path} path */
export const remove = (rule, path) => put(rule, path, undefined);

/**
 * The rule with a node put after another: behind it in its group, or with it in a new group where it is all of the rule.
 * @param {Rule} rule
 * @param {Path} path
 * @param {any} node
 * @returns {{rule: Rule, path: Path}} and where the node stands now
 */
export function insertAfter(rule, path, node) {
  if (!path.length) return { rule: { all: [rule, node] }, path: ["all", 1] };
  const index = Number(path.at(-1)) + 1, list = path.slice(0, -1);
  return { rule: insert(rule, list, index, node), path: [...list, index] };
}

/**
 * The rule with a node moved into another list; null where that cannot be.
 * @param {Rule} rule
 * @param {Path} from
 * @param {Path} list
 * @param {number} index in the list as it is without the node
 * @returns {{rule: Rule, path: Path} | null}
 */
export function move(rule, from, list, index) {
  if (!from.length || pathText(list).startsWith(pathText(from))) return null;
  const node = at(rule, from), without = remove(rule, from), source = from.slice(0, -1), taken = Number(from.at(-1));
  const target = [...list];
  const isPast = source.every((key, place) => key === target[place]) && Number(target[source.length]) > taken;
  if (isPast) target[source.length] = Number(target[source.length]) - 1;  // a step of the way shifted
  return { rule: insert(without, target, index, node), path: [...target, index] };
}

/**
 * The rule with a node moved one line up (-1) or down (1), into and out of the groups on its way; null at either end.
 * @param {Rule} rule
 * @param {Path} path
 * @param {1 | -1} step
 */
export function moveByLine(rule, path, step) {
  const parent = parentOf(rule, path);
  if (!parent) return null;
  const list = path.slice(0, -1), index = Number(path.at(-1)), next = index + step;
  const neighbour = at(rule, list)[next];
  if (neighbour !== undefined) {
    const within = listOf(rule, [...list, next]);
    return within ? move(rule, path, within, step > 0 ? 0 : at(rule, within).length) : move(rule, path, list, next);
  }
  if (!parent.length) return null;
  return move(rule, path, parent.slice(0, -1), Number(parent.at(-1)) + (step > 0 ? 1 : 0));
}

/** @param {any} one @param {any} other */
export const same = (one, other) => stringify(sorted(one)) === stringify(sorted(other));

/** The value with the keys of its objects in one order. @param {any} value @returns {any} */
function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object" || value instanceof Exact) return value;
  return Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])]));
}
