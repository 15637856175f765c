// Loss curves of several networks over a common axis: validation solid, training dashed, each named at its end.

import { count, h, s } from "../dom.js";

const HEIGHT = 320;
const MARGIN = { top: 16, right: 96, bottom: 44, left: 44 };
const AXES = { tokens: "tokens read", seconds: "seconds of training" };
const LINE = 15; // pixels between two names

/** A chart whose `update("tokens" | "seconds")` draws it; it redraws itself when its width changes. */
export function lossChart(rows, title, token) {
  const series = rows.map((row, i) => ({
    name: row.model,
    colour: `var(--series-${(i % 8) + 1})`,
    valid: row.curve.filter((point) => Number.isFinite(point.valid_loss)),
    train: row.curve.filter((point) => Number.isFinite(point.loss)),
  }));
  const svg = s("svg", { class: "curves", role: "img", "aria-label": summary(series, title, token) });
  const readout = h("table", { class: "readout" });
  const handle = h("input", {
    type: "range", class: "unseen-range", min: 0, max: 100, step: 1, value: 100,
    "aria-label": `Place on the axis of the chart of ${title.toLowerCase()}`,
    oninput: () => read(place(), true),
  });
  let axis = "tokens";
  let scale = null;
  let cursor = null;

  /** Where the handle is, in tokens or seconds. */
  function place() {
    return (Number(handle.value) / 100) * scale.last;
  }

  function draw() {
    const width = Math.max(300, node.clientWidth || 640);
    scale = scales(series, axis, width);
    svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    svg.setAttribute("width", width);
    svg.setAttribute("height", HEIGHT);
    cursor = s("line", { class: "cursor", y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom, visibility: "hidden" });
    svg.replaceChildren(...frame(scale, axis, token, width), ...series.map((one) => lines(one, scale, axis)), cursor,
      ...names(series, scale, axis, width));
    read(place(), false);
  }

  /** Each network's figures at or before a place on the axis. */
  function read(at, moved) {
    const x = scale.x(Math.min(Math.max(at, 0), scale.last));
    cursor.setAttribute("x1", x);
    cursor.setAttribute("x2", x);
    cursor.setAttribute("visibility", moved ? "visible" : "hidden");
    const found = series.map((one) => [one, before(one.train, axis, at), before(one.valid, axis, at)]);
    const where = moved ? `at ${label(at, axis)}` : "at the end";
    readout.replaceChildren(
      h("caption", {}, `${title}, ${where}`),
      h("thead", {}, h("tr", {}, ["", "epoch", "training", "validation", "perplexity"].map((name, i) => h("th", { scope: "col", class: i ? "number" : null }, name || h("span", { class: "unseen" }, "network"))))),
      h("tbody", {}, found.map(([one, train, valid]) => h("tr", {},
        h("th", { scope: "row" }, h("span", { class: "swatch", style: { background: one.colour }, "aria-hidden": "true" }), one.name),
        [(train ?? valid)?.epoch?.toFixed(1), train?.loss.toFixed(3), valid?.valid_loss.toFixed(3), valid && fit(Math.exp(valid.valid_loss))].map((value) =>
          h("td", { class: "number" }, value ?? "–"))))),
    );
    handle.setAttribute("aria-valuetext", `${label(at, axis)}: ${found.map(([one, , valid]) => `${one.name} ${valid ? valid.valid_loss.toFixed(2) : "not yet measured"}`).join(", ")}`);
  }

  function point(event) {
    const box = svg.getBoundingClientRect();
    const at = scale.back(((event.clientX - box.left) * svg.viewBox.baseVal.width) / box.width);
    handle.value = Math.round((100 * at) / scale.last);
    read(at, true);
  }
  svg.addEventListener("pointermove", point);
  svg.addEventListener("pointerdown", point);
  svg.addEventListener("pointerleave", () => {
    handle.value = 100;
    read(scale.last, false);
  });
  handle.addEventListener("focus", () => read(place(), true));
  handle.addEventListener("blur", () => read(place(), false));

  const key = h("p", { class: "note key" }, h("span", { class: "stroke solid", "aria-hidden": "true" }), "validation",
    h("span", { class: "stroke dashed", "aria-hidden": "true" }), "training, with dropout");
  const node = h("figure", { class: "chart" }, h("figcaption", {}, h("h3", {}, title), key), h("div", { class: "curve-frame" }, svg, handle),
    h("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": `Figures of the chart of ${title.toLowerCase()}` }, readout));
  const observer = new ResizeObserver(() => scale && Math.abs(node.clientWidth - svg.viewBox.baseVal.width) > 1 && draw());
  observer.observe(node);
  return {
    node,
    update(wanted) {
      axis = wanted;
      draw();
    },
    release: () => observer.disconnect(),
  };
}

/** What a chart shows, for those who hear it. */
function summary(series, title, token) {
  const ends = series.filter((one) => one.valid.length).map((one) => `${one.name} ${Math.min(...one.valid.map((point) => point.valid_loss)).toFixed(2)}`);
  return `${title}: loss in nats per ${token} as the networks are trained. Lowest validation loss: ${ends.join(", ")}.`;
}

function scales(series, axis, width) {
  const last = Math.max(...series.flatMap((one) => [...one.valid, ...one.train].map((point) => point[axis])), 1e-9);
  const losses = series.flatMap((one) => [...one.valid.map((point) => point.valid_loss), ...one.train.slice(-1).map((point) => point.loss)]);
  const low = Math.min(...losses, ...series.flatMap((one) => one.train.map((point) => point.loss)));
  const high = Math.max(...losses);
  const room = (high - low || 1) * 0.06;
  const right = width - MARGIN.right;
  const bottom = HEIGHT - MARGIN.bottom;
  const y = (loss) => bottom - ((loss - low + room) / (high - low + 2 * room)) * (bottom - MARGIN.top);
  return {
    last, low: low - room, high: high + room, right, bottom, y,
    x: (value) => MARGIN.left + (value / last) * (right - MARGIN.left),
    back: (pixel) => Math.min(Math.max((pixel - MARGIN.left) / (right - MARGIN.left), 0), 1) * last,
  };
}

/** Round numbers between two ends, some `wanted` of them. */
export function ticks(low, high, wanted) {
  const rough = (high - low) / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((times) => times * power).find((size) => size >= rough);
  const found = [];
  for (let at = Math.ceil(low / step) * step; at <= high + step * 1e-9; at += step) found.push(Math.abs(at) < step * 1e-9 ? 0 : at);
  return { found, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9) + (step / power === 2.5 ? 1 : 0)) };
}

function frame(scale, axis, token, width) {
  const up = ticks(scale.low, scale.high, 5);
  const across = ticks(0, scale.last, Math.min(5, Math.floor((width - 140) / 90)));
  return [
    ...up.found.flatMap((loss) => [
      s("line", { class: "grid", x1: MARGIN.left, x2: scale.right, y1: scale.y(loss), y2: scale.y(loss) }),
      s("text", { x: MARGIN.left - 8, y: scale.y(loss) + 4, "text-anchor": "end" }, loss.toFixed(up.digits)),
    ]),
    s("line", { class: "axis", x1: MARGIN.left, x2: scale.right, y1: scale.bottom, y2: scale.bottom }),
    ...across.found.map((value) =>
      s("text", { x: scale.x(value), y: scale.bottom + 18, "text-anchor": "middle" }, axis === "tokens" ? short(value) : value.toFixed(across.digits))),
    s("text", { x: scale.right, y: scale.bottom + 36, "text-anchor": "end" }, AXES[axis]),
    s("text", { x: MARGIN.left, y: scale.bottom + 36 }, `↑ loss, nats per ${token}`),
  ];
}

function lines(one, scale, axis) {
  const path = (points, field) =>
    points.map((point, i) => `${i ? "L" : "M"}${scale.x(point[axis]).toFixed(1)},${Math.max(scale.y(point[field]), MARGIN.top).toFixed(1)}`).join("");
  const inside = one.train.filter((point) => point.loss <= scale.high);
  return s("g", { style: { color: one.colour } },
    s("path", { class: "train", d: path(inside, "loss") }),
    s("path", { class: "valid", d: path(one.valid, "valid_loss") }),
    one.valid.map((point) => s("circle", { class: "valid", r: 2.2, cx: scale.x(point[axis]), cy: scale.y(point.valid_loss) })));
}

/** Names at the right, beside the end of each line, moved apart where they would touch. */
function names(series, scale, axis, width) {
  const ends = series
    .filter((one) => one.valid.length)
    .map((one) => ({ one, x: scale.x(one.valid.at(-1)[axis]), at: scale.y(one.valid.at(-1).valid_loss) }))
    .sort((a, b) => a.at - b.at);
  let lowest = -Infinity;
  for (const end of ends) lowest = end.y = Math.max(end.at, lowest + LINE);
  const over = Math.max(0, lowest - scale.bottom);
  for (const end of [...ends].reverse()) end.y = Math.min(end.y, over ? scale.bottom - LINE * (ends.length - 1 - ends.indexOf(end)) : Infinity);
  return ends.map(({ one, x, y, at }) => s("g", { style: { color: one.colour } },
    s("path", { class: "leader", d: `M${x + 5},${at}L${scale.right + 4},${at}L${scale.right + 12},${y}` }),
    s("text", { class: "name", x: Math.min(scale.right + 15, width - 78), y: y + 4 }, one.name)));
}

function before(points, axis, at) {
  return points.findLast((point) => point[axis] <= at * (1 + 1e-9));
}

function label(at, axis) {
  return axis === "tokens" ? `${count(at)} tokens` : `${at.toFixed(1)} seconds`;
}

function short(value) {
  if (value >= 1e6) return `${+(value / 1e6).toFixed(2)} M`;
  return value >= 1000 ? `${+(value / 1000).toFixed(1)} k` : String(value);
}

function fit(value) {
  return value >= 100 ? count(value) : value.toFixed(2);
}
