// Texts that part from each other, as a tree of words. A branch is a text; those that another one begins with fall away.

import { h, word } from "../dom.js";
import { join, split } from "./words.js";

const MOST = 12;

const startsWith = (longer, shorter) => shorter.every((one, i) => longer[i] === one);

/** The branches of an address. */
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
  const own = split(text);
  if (!own.length || branches.some((other) => startsWith(split(other), own))) return branches;
  return [...branches.filter((other) => !startsWith(own, split(other))), text].slice(-MOST);
}

export function without(branches, text) {
  return branches.filter((other) => join(split(other)) !== join(split(text)));
}

/** Whether there is anywhere to go but to `text`. */
export function leadsOn(branches, text) {
  return without(branches, text).length > 0;
}

/** Runs of words without a parting, with what follows each: [{ words, path, children }]. */
export function tree(texts, before = []) {
  const longer = texts.filter((words) => words.length > before.length);
  const groups = Map.groupBy(longer, (words) => words[before.length]);
  return [...groups.values()].map((group) => {
    let end = before.length + 1;
    const shortest = Math.min(...group.map((words) => words.length));
    while (end < shortest && group.every((words) => words[end] === group[0][end])) end += 1;
    const path = group[0].slice(0, end);
    return { words: path.slice(before.length), path, children: tree(group, path) };
  });
}

/** The tree as nested lists of buttons; `go(text)` opens a place, `drop(text)` removes a branch. */
export function drawTree(branches, current, { go, drop }) {
  const here = split(current);
  const drawNodes = (nodes) => h("ul", {}, nodes.map(drawNode));

  function drawNode({ words, path, children }) {
    const before = path.length - words.length;
    const steps = words.map((one, i) => drawPlace(one, path.slice(0, before + i + 1)));
    const removable = !children.length && !startsWith(here, path);
    return h(
      "li",
      {},
      h("span", { class: "run" }, steps, removable && drawDrop(path)),
      children.length > 0 && drawNodes(children),
    );
  }

  function drawPlace(one, path) {
    const passed = startsWith(here, path);
    const props = {
      type: "button",
      class: passed ? "quiet place on" : "quiet place",
      title: "Go on from here",
      "aria-current": passed && here.length === path.length ? "location" : null,
      onclick: () => go(join(path)),
    };
    return h("button", props, one === "\n" ? word("</s>") : word(one));
  }

  function drawDrop(path) {
    const label = `Remove the branch ${path.slice(-3).join(" ")}`;
    const props = { type: "button", class: "quiet drop", title: "Remove this branch", "aria-label": label };
    return h("button", { ...props, onclick: () => drop(join(path)) }, "×");
  }

  return drawNodes(tree(kept(branches, current).map(split)));
}
