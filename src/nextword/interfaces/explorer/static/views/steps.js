// The lectures' table: the context so far, the word that came, and what each model had expected in its place.

import { bits, h, heat, probability, shortNames, word } from "../dom.js";
import { join } from "./words.js";

const LAST = 12; // steps that are shown of a long text, until all are wanted

/**
 * A table for each way of cutting the text. leave(text) is called to step back to a context. all: whether every step
 * is shown; else `more()` is called by a click on what stands for the earlier ones.
 */
export function drawSteps(found, { models, leave, all, more }) {
  const able = found.filter((one) => one.steps?.length);
  const groups = Map.groupBy(able, (one) => JSON.stringify([one.first, one.steps.map((step) => step.token)]));
  return [...groups.values()].map((group) => drawTable(group, { models, leave, all, more }));
}

function drawTable(group, { models, leave, all, more }) {
  const names = shortNames(group.map((one) => one.name));
  const [{ first, steps, name }] = group;
  const whole = !first && models.find((model) => model.name === name)?.unit === "word";
  const skipped = all || steps.length <= LAST + 2 ? 0 : steps.length - LAST;
  const rows = steps.slice(skipped).map((step, i) => {
    const t = i + skipped;
    const before = steps.slice(0, t).map((one) => one.token);
    const far = first + t > 4;
    const shown = first + t === 0 ? word("<s>") : [far && "… ", before.slice(-4).map((token) => [word(token), " "])];
    const back = () => leave(join(before.map((token) => (token === "</s>" ? "\n" : token))));
    const props = { type: "button", class: "quiet context", title: "Step back to here", onclick: back };
    return h(
      "tr",
      {},
      h("td", { class: "so-far" }, whole ? h("button", props, shown) : shown),
      h("th", { scope: "row", class: "came" }, word(step.token), step.oov && h("span", { class: "note" }, " unknown")),
      group.map((one) => measured(one.steps[t])),
    );
  });
  if (skipped) {
    const button = h(
      "button",
      { type: "button", class: "quiet small", onclick: more },
      `Show ${skipped} earlier steps`,
    );
    rows.unshift(h("tr", {}, h("td", { colspan: group.length + 2 }, button)));
  }
  const heads = group.map((one, i) => h("th", { scope: "col", title: one.name }, names[i]));
  const head = h(
    "tr",
    {},
    h("th", { scope: "col", class: "so-far" }, "Context so far"),
    h("th", { scope: "col" }, "came"),
    heads,
  );
  return h("table", { style: { "--models": group.length } }, h("thead", {}, head), h("tbody", {}, rows));
}

function measured(step) {
  const pair = (one) => {
    const it = one.word === step.token ? "pair it" : "pair";
    return h("span", { class: it }, word(one.word), ` ${probability(one.probability)} `);
  };
  const shade = h("span", { class: "heat", style: { "--t": heat(step.bits) } }, probability(step.probability));
  const rank = h("span", { class: "note" }, ` rank ${step.rank} · ${bits(step.bits)} bits`);
  return h(
    "td",
    { class: "measured" },
    h("p", { class: "of-word" }, shade, rank),
    h("p", { class: "note" }, step.expected.map(pair)),
  );
}
