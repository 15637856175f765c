// What `nextword compare` measured: a table of all models, and how the networks' losses fell.

import { count, h } from "../dom.js";
import { lossChart } from "./curves.js";

const UNITS = { word: "Words", char: "Characters" };
const TOKENS = { word: "word", char: "character" };
const COLUMNS = [
  { id: "model", label: "Model" },
  { id: "order", label: "Order", show: (value) => value ?? "–" },
  { id: "parameters", label: "Parameters", show: count },
  { id: "bytes", label: "On disk, MB", show: megabytes, least: true },
  { id: "seconds", label: "Training, s", show: decimals(2), least: true },
  { id: "perplexity", label: "Perplexity", show: decimals(2), least: true },
  { id: "perplexity_excluding_oov", label: "without OOV", show: decimals(2), least: true },
  { id: "word_perplexity", label: "per word", show: decimals(0), least: true },
  { id: "bits_per_byte", label: "Bits per byte", show: decimals(3), least: true },
];
const MEANINGS = [
  ["Order", "How many tokens an n-gram or a window spans, the one predicted included. Other networks have no such limit, or a far one."],
  ["Parameters", "How many numbers were estimated: a probability and a back-off weight for each n-gram, or the weights of a network."],
  ["Training", "Seconds from tokens to a model in memory, on the machine that made the table."],
  ["Perplexity", "The model is as unsure as among so many equally likely tokens. Words compare with words, characters with characters."],
  ["without OOV", "The same, leaving out tokens that the vocabulary lacks (out of vocabulary)."],
  ["per word", "The bits of all tokens shared out among the words, so that models of words and of characters compare."],
  ["Bits per byte", "All bits over the bytes of the text. An unknown word also pays for its spelling, so this figure compares all rows."],
  ["Loss", "The mean of −ln p of a token, in nats; e to that power is the perplexity."],
];
const SMALL = [
  ["name", "Model"], ["kind", "Kind"], ["unit", "Tokens"], ["order", "Order"], ["vocabulary", "Vocabulary"],
  ["parameters", "Parameters"], ["bytes", "On disk, MB"],
];

export const view = {
  id: "compare",
  title: "Compare",
  lead: "Every kind of model, made from one text and measured on a part of it that none of them saw.",
  stylesheet: true,
  mount(root, context) {
    let drawn = null;
    const place = h("div", {});
    root.append(place);
    const answer = context.get("/explore/compare").catch((error) => context.fail(place, error));
    return {
      async update() {
        const found = await answer;
        if (!found || !root.isConnected) return;
        if (!drawn) {
          drawn = found.tables.length ? found.tables.map((table) => tableOf(table, context)) : [withoutTable(found)];
          root.replaceChildren(...drawn.map((part) => part.node));
        }
        drawn.forEach((part) => part.update?.(context.params));
      },
      unmount() {
        drawn?.forEach((part) => part.release?.());
      },
    };
  },
};

/** One comparison: its text, its rows by unit, the networks' curves, and what the figures mean. */
function tableOf(table, context) {
  const units = [...new Set(table.models.map((row) => row.unit))];
  const notes = numbered(table.models);
  const heads = COLUMNS.map((column) => heading(column, context));
  const bodies = units.map((unit) => bodyOf(unit, table.models, notes, context));
  const charts = units
    .map((unit) => [unit, table.models.filter((row) => row.unit === unit && row.curve.length)])
    .filter(([, rows]) => rows.length)
    .map(([unit, rows]) => lossChart(rows, UNITS[unit] ?? unit, TOKENS[unit] ?? "token"));
  const axis = axisChoice(context);
  const [train, valid, test] = table.lines.map(count);
  const node = h("div", { class: "compared" },
    h("p", { class: "source" }, h("span", { class: "words" }, table.text),
      h("span", { class: "note" }, `${train} lines to train on, ${valid} to tune on, ${test} to test on`)),
    h("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": "Table of the models" },
      h("table", { class: "comparison" },
        h("caption", { class: "unseen" }, "All models, by what their tokens are; a dot marks the best of a column"),
        h("thead", {}, h("tr", {}, heads.map((one) => one.node))), bodies.map((body) => body.node))),
    notes.size > 0 && h("details", { class: "notes" }, h("summary", {}, "Notes"),
      h("ol", {}, [...notes.keys()].map((note) => h("li", {}, note)))),
    charts.length > 0 && h("section", { "aria-label": "Loss curves" },
      h("div", { class: "curves-head" }, h("h2", {}, "How the networks learnt"), axis.node),
      h("div", { class: "charts" }, charts.map((chart) => chart.node))),
    h("section", {}, h("h2", {}, "What the figures mean"),
      h("dl", { class: "meanings" }, MEANINGS.map(([name, words]) => h("div", {}, h("dt", {}, name), h("dd", {}, words))))));
  return {
    node,
    update(params) {
      heads.forEach((one) => one.update(params));
      bodies.forEach((body) => body.update(params));
      axis.update(params);
      charts.forEach((chart) => chart.update(params.axis === "seconds" ? "seconds" : "tokens"));
    },
    release: () => charts.forEach((chart) => chart.release()),
  };
}

/** Every note, once, and its number. */
function numbered(rows) {
  const notes = new Map();
  for (const row of rows) for (const note of row.notes ?? []) {
    const whole = written(row, note);
    if (!notes.has(whole)) notes.set(whole, notes.size + 1);
  }
  return notes;
}

function written(row, note) {
  return `${row.model}, ${UNITS[row.unit]?.toLowerCase() ?? row.unit}: ${note}`;
}

/** A heading that sorts: up, down, and back to the order in which the models were made. */
function heading(column, context) {
  const node = h("th", { scope: "col", class: column.show ? "number" : null },
    h("button", { type: "button", class: "sort", onclick: press }, column.label, h("span", { class: "arrow", "aria-hidden": "true" })));
  function press() {
    const { sort, down } = context.params;
    const next = sort !== column.id ? { sort: column.id, down: "" } : down ? { sort: "", down: "" } : { sort, down: "1" };
    context.announce(next.sort ? `Sorted by ${column.label}, ${next.down ? "falling" : "rising"}` : "In the order in which they were made");
    context.go({ ...own(context.params), ...next });
  }
  return {
    node,
    update({ sort, down }) {
      const order = sort !== column.id ? "none" : down ? "descending" : "ascending";
      node.setAttribute("aria-sort", order);
    },
  };
}

/** What the address holds for this view. */
function own({ sort = "", down = "", axis = "" }) {
  return { sort, down, axis };
}

/** The rows of one unit below its name. */
function bodyOf(unit, all, notes, context) {
  const rows = all.filter((row) => row.unit === unit);
  const best = Object.fromEntries(COLUMNS.filter((column) => column.least).map(({ id }) =>
    [id, Math.min(...rows.map((row) => row[id]).filter(Number.isFinite))]));
  const longest = Math.max(...all.map((row) => row.bits_per_byte ?? 0));
  const lines = rows.map((row) => ({ row, node: lineOf(row, best, longest, notes, context) }));
  const name = h("tr", { class: "group" }, h("th", { colspan: COLUMNS.length, scope: "rowgroup" }, h("span", {}, UNITS[unit] ?? unit)));
  const node = h("tbody", {}, name, lines.map((line) => line.node));
  return {
    node,
    update({ sort, down }) {
      const column = COLUMNS.find(({ id }) => id === sort);
      const sorted = column ? [...lines].sort((a, b) => compared(a.row[sort], b.row[sort]) * (down ? -1 : 1)) : lines;
      node.append(...sorted.map((line) => line.node));
    },
  };
}

function lineOf(row, best, longest, notes, context) {
  const own = (row.notes ?? []).map((note) => notes.get(written(row, note)));
  const marks = own.length > 0 && h("sup", {}, h("span", { class: "unseen" }, "note "), own.join(", "));
  const name = row.served
    ? h("a", { href: context.address("next", { models: row.served, text: context.params.text }), title: `Open ${row.served} in Next word` }, row.model)
    : row.model;
  return h("tr", {}, h("th", { scope: "row" }, name, marks), COLUMNS.slice(1).map((column) => {
    const value = row[column.id];
    const shown = value === null || value === undefined ? (column.id === "order" ? "–" : "∞") : column.show(value);
    const leads = column.least && Number.isFinite(best[column.id]) && shown === column.show(best[column.id]);
    const mark = leads && [h("span", { class: "dot", "aria-hidden": "true" }), h("span", { class: "unseen" }, "best: ")];
    const bar = column.id === "bits_per_byte" && h("span", { class: "bar", "aria-hidden": "true" },
      h("span", { class: "fill", style: { width: `${(100 * (value ?? 0)) / longest}%` } }));
    return h("td", { class: `number${leads ? " best" : ""}${bar ? " with-bar" : ""}` }, mark, shown, bar);
  }));
}

/** Strings by the alphabet, numbers by size, what is missing last. */
function compared(a, b) {
  if (typeof a === "string") return a.localeCompare(b);
  return (a ?? Infinity) === (b ?? Infinity) ? 0 : (a ?? Infinity) - (b ?? Infinity);
}

/** What the curves are drawn over. */
function axisChoice(context) {
  const buttons = [["tokens", "tokens read"], ["seconds", "seconds"]].map(([value, label]) => {
    const box = h("input", { type: "radio", name: "axis", value, onchange: () => context.go({ ...own(context.params), axis: value === "tokens" ? "" : value }) });
    return { box, value, label: h("label", {}, box, h("span", {}, label)) };
  });
  return {
    node: h("fieldset", { class: "picker" }, h("legend", {}, "Over"), buttons.map((button) => button.label)),
    update: ({ axis }) => buttons.forEach(({ box, value }) => (box.checked = value === (axis === "seconds" ? "seconds" : "tokens"))),
  };
}

/** Why there is no comparison, and what can be said of the served models without one. */
function withoutTable({ reason, commands, served }) {
  const show = { bytes: (value) => (value === null ? "–" : megabytes(value)), vocabulary: count, parameters: count, order: (value) => value ?? "–" };
  return {
    node: h("div", { class: "compared" },
      h("div", { class: "reason" }, h("p", {}, reason), commands.map((command) => h("p", {}, h("code", {}, command)))),
      h("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": "Table of the served models" },
        h("table", { class: "comparison" }, h("caption", {}, "The models of this server"),
          h("thead", {}, h("tr", {}, SMALL.map(([id, label]) => h("th", { scope: "col", class: show[id] ? "number" : null }, label)))),
          h("tbody", {}, served.map((one) => h("tr", {}, SMALL.map(([id], i) =>
            i === 0 ? h("th", { scope: "row" }, one[id]) : h("td", { class: show[id] ? "number" : null }, show[id] ? show[id](one[id]) : one[id])))))))),
  };
}

function decimals(digits) {
  return (value) => {
    if (value >= 1e9) return power(value);
    const [whole, part] = value.toFixed(digits).split(".");
    return count(Number(whole)) + (part ? `.${part}` : "");
  };
}

/** A figure that is off the scale, such as 7·10²³. */
function power(value) {
  const [digits, exponent] = value.toExponential(0).split("e+");
  return `${digits}·10${[...exponent].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]).join("")}`;
}

function megabytes(bytes) {
  return (bytes / 1e6).toFixed(2);
}
