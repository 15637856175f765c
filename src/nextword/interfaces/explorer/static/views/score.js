// A text as a score: rows of models under its words, broken into systems as wide as the page, every token coloured.

import { bits, h, heat, shortNames, spoken, word } from "../dom.js";

const FULL = 16; // bits at the strong end of the scale
const NARROW = 640; // pixels below which models have numbers for names, and sums a line of their own
const SUM = 62; // pixels of the column of sums

const pen = document.createElement("canvas").getContext("2d");

/** The sentences of the models' answers, for a page `room` pixels wide. plain: colours without numbers. */
export function drawScore(found, room, plain) {
  const able = found.filter((one) => !one.reason);
  const names = shortNames(able.map((one) => one.name));
  const narrow = room < NARROW;
  const label = narrow ? 28 : Math.min(190, 24 + Math.max(20, ...names.map((name) => width(name, 0.8125, "--sans"))));
  const rows = able.map((one, i) => ({ name: one.name, label: narrow ? String(i + 1) : names[i], lines: one.lines }));
  const key = h("p", { class: "note" }, names.map((name, i) => `${i + 1} ${name}`).join("   "));
  const lines = able[0]?.lines ?? [];
  const sentences = lines.map((_, number) => {
    const here = rows.map((row) => ({ ...row, ...row.lines[number] }));
    const groups = Map.groupBy(here, (row) => JSON.stringify(row.tokens.map((token) => token.token)));
    const parts = [...groups.values()].map((group) => drawGroup(group, number, { label, room, narrow, plain }));
    return h("section", { class: "sentence", "aria-label": `Sentence ${number + 1}` }, parts);
  });
  return [narrow && able.length > 1 ? key : "", ...sentences];
}

/** Models that cut the sentence alike, in as many systems as it takes. */
function drawGroup(group, number, { label, room, narrow, plain }) {
  const widths = group[0].tokens.map(({ token }) => tokenWidth(token, plain));
  const lines = pack(widths, room - label - 2, narrow ? 0 : SUM);
  const systems = lines.map(([from, to], i) => {
    const last = !narrow && i === lines.length - 1;
    return drawSystem(group, { number, from, to, last, label, widths, plain });
  });
  const sums = group.map((one) => h("span", {}, group.length > 1 && `${one.label} `, h("b", {}, bits(one.bits))));
  return [systems, narrow && h("p", { class: "note sums-below" }, "Sum: ", sums, " bits")];
}

function drawSystem(group, { number, from, to, last, label, widths, plain }) {
  const columns = [label, ...widths.slice(from, to), ...(last ? [SUM] : [])].map((one) => `${one}px`).join(" ");
  const heads = group[0].tokens
    .slice(from, to)
    .map((token) => h("div", { role: "columnheader", class: token.oov ? "head oov" : "head" }, word(token.token)));
  const corner = h("div", { role: "columnheader" }, h("span", { class: "unseen" }, "Model"));
  const unit = h("div", { role: "columnheader", class: "sum note" }, "bits");
  const rows = group.map((one) => {
    const name = h("div", { role: "rowheader", class: "name note", title: one.name }, one.label);
    const cells = one.tokens
      .slice(from, to)
      .map((token, i) => drawCell(token, { name: one.name, line: number, position: from + i }, plain));
    return h("div", { role: "row" }, name, cells, last && h("div", { role: "gridcell", class: "sum" }, bits(one.bits)));
  });
  const props = { role: "grid", class: "system", "aria-label": "Bits per token" };
  const head = h("div", { role: "row" }, corner, heads, last && unit);
  return h("div", { ...props, style: { "grid-template-columns": columns } }, head, rows);
}

function drawCell(token, place, plain) {
  const told = `${spoken(token.token)}: ${bits(token.bits)} bits, rank ${token.rank}, ${place.name}`;
  const props = { role: "gridcell", class: "cell heat", tabindex: "-1", "aria-label": told };
  const cell = h("div", { ...props, style: { "--t": heat(token.bits, FULL) } }, plain ? "" : bits(token.bits));
  cell.place = { ...place, token };
  return cell;
}

/** The cell that a key leads to from another one; undefined if it leads nowhere. */
export function neighbour(score, cell, key) {
  const cells = [...score.querySelectorAll(".cell")];
  const { name, line, position } = cell.place;
  const row = cells.filter((one) => one.place.name === name);
  const here = row.indexOf(cell);
  const inLine = cells.filter((one) => one.place.line === line);
  const order = [...new Set(inLine.map((one) => one.place.name))];
  const beside = (by) => {
    const other = inLine.filter((one) => one.place.name === order[order.indexOf(name) + by]);
    return other.find((one) => one.place.position === position) ?? other[0];
  };
  const ways = {
    ArrowRight: () => row[here + 1],
    ArrowLeft: () => row[here - 1],
    ArrowDown: () => beside(1),
    ArrowUp: () => beside(-1),
    Home: () => row[0],
    End: () => row.at(-1),
  };
  return ways[key]?.();
}

/** Where to break a row: [[from, to], …], each no wider than `room`, with space for the sum in the last. */
export function pack(widths, room, sum) {
  const lines = [];
  let from = 0;
  let used = 0;
  widths.forEach((one, i) => {
    const needed = one + (i === widths.length - 1 ? sum : 0);
    if (i > from && used + needed > room) {
      lines.push([from, i]);
      from = i;
      used = 0;
    }
    used += one;
  });
  lines.push([from, widths.length]);
  return lines.length > 1 && used < room / 4 ? balanced(lines, widths) : lines;
}

/** The last two rows of about one width, so that the last is not a word or two. */
function balanced(lines, widths) {
  const [[start, end], [, last]] = lines.slice(-2);
  const total = (from, to) => widths.slice(from, to).reduce((sum, one) => sum + one, 0);
  let middle = end;
  while (middle > start + 1 && total(start, middle - 1) >= total(middle - 1, last)) middle -= 1;
  return [...lines.slice(0, -2), [start, middle], [middle, last]];
}

function tokenWidth(token, plain) {
  const shown = { "</s>": "STOP", "<unk>": "unknown", "▁": "␣" }[token] ?? token;
  const text = width(shown, token === "</s>" ? 0.85 : 1.15, "--serif") + (token.length > 1 ? 12 : 8);
  return Math.ceil(Math.max(plain ? 0 : 36, text));
}

const measured = new Map(); // widths of texts: a long text has its words many times, under every model

/** Pixels that a text takes at a size in rem. */
function width(text, size, family) {
  const key = `${size} ${family} ${text}`;
  if (!measured.has(key)) {
    const style = getComputedStyle(document.documentElement);
    pen.font = `${size * parseFloat(style.fontSize)}px ${style.getPropertyValue(family)}`;
    measured.set(key, pen.measureText(text).width);
  }
  return measured.get(key);
}

export function legend() {
  const tick = (value) => {
    const shown = value === FULL ? `${value}+` : String(value);
    return h("span", {}, h("b", {}, shown), h("span", {}, value ? `1/${2 ** value}` : "1"));
  };
  const names = h("span", { class: "names" }, h("b", {}, "bits"), h("span", {}, "probability"));
  const ticks = h("div", { class: "ticks" }, [0, 4, 8, 12, 16].map(tick), names);
  return h("figure", { class: "legend note", "aria-label": "Scale of colours" }, h("div", { class: "ramp" }), ticks);
}
