// The back-off path of an n-gram model: a staircase of orders, the product, and the counts it comes from.

import { count, h, probability, word } from "../dom.js";

/** Everything about one token's path. */
export function drawLadder({ path, counts, no_counts: reason }) {
  const counted = path.rungs[0].counted;
  return h(
    "div",
    { class: "why-parts" },
    h("section", {}, h("h3", {}, "From the longest context to one the model knows"), staircase(path)),
    h("section", {}, h("h3", {}, "The product"), product(path), split(path)),
    counted
      ? h(
          "section",
          {},
          h("h3", {}, "The same, from the counts"),
          equations(path),
          h(
            "p",
            { class: "note" },
            `Counts of ${counts}, read again. `,
            path.rungs.some((rung) => rung.counted.continuation) &&
              "Below the longest n-grams a count is of the distinct words to the left (Kneser and Ney 1995), unless a sentence begins there.",
          ),
        )
      : h("p", { class: "note" }, `Counts are not shown: ${reason}.`),
  );
}

/** One row an order, one column a word: giving up the oldest word is a step down. */
function staircase(path) {
  const longest = path.rungs[0].context.length;
  const rows = path.rungs.map((rung) => {
    const found = rung.order === path.order;
    const words = Array.from({ length: longest }, (_, i) => {
      const at = i - (longest - rung.context.length);
      return at < 0 ? h("td", { class: "gone" }) : h("td", { class: "held" }, word(rung.context[at]));
    });
    return h(
      "tr",
      { class: found ? "found" : rung.order > path.order ? "missed" : "under" },
      h("th", { scope: "row", class: "order" }, rung.order),
      words,
      h("td", { class: "held last" }, word(path.word)),
      h("td", { class: "number" }, rung.weight === null ? "" : figure(rung.weight)),
      h("td", { class: "number p" }, figure(rung.probability)),
      h("td", { class: "verdict" }, verdict(rung, path)),
    );
  });
  const head = h(
    "tr",
    {},
    h("th", { scope: "col" }, "order"),
    h("th", { scope: "colgroup", colspan: longest + 1 }, "context and word"),
    h("th", { scope: "col", class: "number" }, "back-off weight"),
    h("th", { scope: "col", class: "number" }, "probability"),
    h("th", { scope: "col" }, h("span", { class: "unseen" }, "in the model?")),
  );
  return h(
    "div",
    { class: "scroll", role: "region", "aria-label": "The orders tried", tabindex: "0" },
    h("table", { class: "why-ladder" }, h("thead", {}, head), h("tbody", {}, rows)),
  );
}

function verdict(rung, path) {
  if (rung.order === path.order) return rung.order === path.rungs[0].order ? "known: no need to back off" : "known";
  if (rung.order < path.order)
    return path.rungs.some((one) => one.own !== null) ? "adds a share to what is stored" : "not needed";
  return rung.known ? "not seen together" : "context not seen";
}

/** weight × weight × probability = probability, each with what it is. */
function product(path) {
  const passed = path.rungs.filter((rung) => rung.order > path.order && rung.weight !== null);
  const found = path.rungs.find((rung) => rung.order === path.order);
  const factors = passed.map((rung) => factor(figure(rung.weight), ["back-off weight of ", quoted(rung.context)]));
  factors.push(factor(figure(found.probability), ["stored for ", quoted([...found.context, path.word])]));
  const signed = (sign, one) => h("span", { class: "signed" }, h("span", { class: "sign" }, sign), one);
  const result = factor(
    figure(path.probability),
    ["p(", word(path.word), " given ", quoted(path.rungs[0].context), ")"],
    "result",
  );
  return h(
    "p",
    { class: "why-product" },
    factors.map((one, i) => (i ? signed("×", one) : one)),
    signed("=", result),
  );
}

function factor(value, caption, kind = "") {
  return h("span", { class: `factor ${kind}` }, h("b", {}, value), h("small", {}, caption));
}

function quoted(words) {
  return words.length
    ? h(
        "span",
        { class: "words" },
        words.flatMap((one, i) => (i ? [" ", word(one)] : [word(one)])),
      )
    : "no context";
}

/** What is stored, in its two parts. */
function split(path) {
  const found = path.rungs.find((rung) => rung.order === path.order);
  if (found.own === null || !found.probability) return null;
  const below = path.rungs.find((rung) => rung.order === path.order - 1);
  const share = Math.min(1, Math.max(0, found.own / found.probability));
  return h(
    "div",
    { class: "why-split" },
    h(
      "p",
      {},
      "What is stored is a sum: ",
      h("b", {}, figure(found.own)),
      " that its own count earned, and ",
      h("b", {}, figure(found.from_lower)),
      " from the shorter context, ",
      `${figure(found.weight)} × ${figure(below.probability)}.`,
    ),
    h(
      "div",
      { class: "bar", role: "img", "aria-label": `${Math.round(100 * share)} percent from its own count` },
      h("span", { class: "own", style: { "flex-grow": share } }),
      h("span", { class: "lower", style: { "flex-grow": 1 - share } }),
    ),
    h(
      "p",
      { class: "ends note" },
      h("span", {}, `own count ${Math.round(100 * share)} %`),
      h("span", {}, `shorter context ${Math.round(100 * (1 - share))} %`),
    ),
  );
}

function equations(path) {
  const rows = path.rungs.map((rung) => {
    const one = rung.counted;
    return h(
      "tr",
      { class: rung.order === path.order ? "found" : null },
      h("th", { scope: "row" }, rung.order),
      h("td", { class: "number" }, `${count(one.count)} of ${count(one.total)}`),
      h("td", { class: "number" }, one.total ? one.classes.map(count).join(" · ") : ""),
      h("td", { class: "number" }, one.discount === null ? "" : figure(one.discount)),
      h(
        "td",
        { class: "equation" },
        one.equation,
        one.weight_equation && h("small", {}, `weight ${one.weight_equation}`),
      ),
      h("td", { class: "agrees" }, agreement(one)),
    );
  });
  const names = ["order", "count", "once · twice · more", "discount", "in numbers"];
  const head = h(
    "tr",
    {},
    names.map((name, i) => h("th", { scope: "col", class: i > 0 && i < 4 ? "number" : null }, name)),
    h("th", { scope: "col" }, h("span", { class: "unseen" }, "agreement")),
  );
  return h(
    "div",
    { class: "scroll", role: "region", "aria-label": "The counts", tabindex: "0" },
    h("table", { class: "why-counts" }, h("thead", {}, head), h("tbody", {}, rows)),
  );
}

function agreement(one) {
  if (one.agrees === null) return h("span", { class: "note" }, "the model's is rounded");
  return one.agrees
    ? h("span", { title: "as the model has it" }, "✓", h("span", { class: "unseen" }, " as the model has it"))
    : h("span", { class: "bad" }, "not what the model has");
}

/** Four significant digits, or a power of ten. */
export function figure(value) {
  if (value === null || value === undefined) return "–";
  if (value === 0 || Math.abs(value) >= 0.0001) return String(Number(value.toPrecision(4)));
  return probability(value, 4);
}
