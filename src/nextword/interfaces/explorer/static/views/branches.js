// Texts that part from each other, as a tree of words. A branch is a text; those that another one begins with fall away.

import { h, word } from "../dom.js";

const MOST = 12;

const wordsOf = (text) => text.match(/\n|[^\s]+/g) ?? [];
const startsWith = (longer, shorter) => shorter.every((one, i) => longer[i] === one);

export function parse(written) {
  if (!written) return [];
  try {
    const found = JSON.parse(written);
    return Array.isArray(found) ? found.filter((text) => typeof text === "string").slice(0, MOST) : [];
  } catch {
    return [];
  }
}

export function serialise(branches) {
  return branches.length ? JSON.stringify(branches) : "";
}

/** The branches with `text` among them, unless a longer one goes through it. */
export function kept(branches, text) {
  const own = wordsOf(text);
  if (!own.length || branches.some((other) => startsWith(wordsOf(other), own))) return branches;
  return [...branches.filter((other) => !startsWith(own, wordsOf(other))), text].slice(-MOST);
}

/** Runs of words without a parting, with what follows each: [{ words, path, children, leaf }]. */
export function tree(texts, before = []) {
  const groups = Map.groupBy(texts.filter((words) => words.length > before.length), (words) => words[before.length]);
  return [...groups.values()].map((group) => {
    let end = before.length + 1;
    const shortest = Math.min(...group.map((words) => words.length));
    while (end < shortest && group.every((words) => words[end] === group[0][end])) end += 1;
    const path = group[0].slice(0, end);
    return { words: path.slice(before.length), path, children: tree(group, path) };
  });
}

const written = (words) => words.map((one) => (one === "\n" ? "\n" : `${one} `)).join("").replaceAll(" \n", "\n");

/** The tree as nested lists of buttons; `go(text)` opens a place, `drop(text)` removes a branch. */
export function drawTree(branches, current, { go, drop }) {
  const here = wordsOf(current);
  const all = kept(branches, current).map(wordsOf);
  const draw = (nodes) => h("ul", {}, nodes.map((node) => {
    const text = written(node.path);
    const on = startsWith(here, node.path);
    const steps = node.words.map((one, i) => {
      const path = node.path.slice(0, node.path.length - node.words.length + i + 1);
      const passed = startsWith(here, path);
      const current = passed && here.length === path.length ? "location" : null;
      const props = { type: "button", class: passed ? "quiet place on" : "quiet place", "aria-current": current, title: "Go on from here" };
      return h("button", { ...props, onclick: () => go(written(path)) }, one === "\n" ? word("</s>") : word(one));
    });
    const leaf = !node.children.length && branches.length;
    const label = `Remove the branch ${node.path.slice(-3).join(" ")}`;
    return h("li", {}, h("span", { class: "run" }, steps,
      leaf && !on && h("button", { type: "button", class: "quiet drop", "aria-label": label, title: "Remove this branch", onclick: () => drop(text) }, "×")),
      node.children.length > 0 && draw(node.children));
  }));
  return draw(tree(all));
}

export function without(branches, text) {
  const gone = wordsOf(text).join(" ");
  return branches.filter((other) => wordsOf(other).join(" ") !== gone);
}
