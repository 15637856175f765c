// How far back a network's gradient reaches: its norm against the distance, on a logarithmic axis.

import { h, s } from "../dom.js";

const HEIGHT = 340;
const MARGIN = { top: 14, right: 148, bottom: 46, left: 56 };
const LEAST = 1e-12; // what is smaller is not drawn
const LINE = 15;
const DASHES = ["", "7 4", "2 3", "9 3 2 3", "5 2", "1 3", "12 4", "4 2 1 2"];
const KINDS = ["lstm", "gru", "rnn", "transformer", "window", "LSTM", "GRU", "Elman"]; // the first five have colours
const RAISED = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

/** A section with the chart of the served networks, and of untrained ones if wanted; once started, it asks when it is seen. */
export function distanceChart(networks, { post, fail, announce }) {
  const plain = h("input", { type: "checkbox", onchange: () => load() });
  const state = h("p", { class: "note" });
  const charts = h("div", { class: "why-charts" });
  const node = h(
    "section",
    { class: "why-gradients", "aria-labelledby": "why-gradients-title" },
    h("h2", { id: "why-gradients-title" }, "How far back the gradient reaches"),
    h(
      "p",
      { class: "lead" },
      "A network learns from a word only what its gradient still carries. Through an Elman network it shrinks, or grows, by about the same factor at each step back; the gates of a GRU or an LSTM let more of it through.",
    ),
    h("label", { class: "row why-check" }, plain, "beside them, networks of 32 units before any training"),
    state,
    charts,
  );
  let drawn = [];
  let asking = null;

  async function load() {
    asking?.abort();
    asking = new AbortController();
    const { signal } = asking;
    fail(state);
    state.textContent = "Measuring…";
    state.hidden = false;
    try {
      const answer = await post(
        "/explore/gradients",
        { models: networks.map((one) => one.name), untrained: plain.checked },
        { signal },
      );
      if (signal.aborted) return;
      const reasons = answer.models.filter((one) => one.reason).map((one) => `${one.name}: ${one.reason}`);
      state.textContent = reasons.join(" ");
      state.hidden = !reasons.length;
      release();
      drawn = [
        chart(
          "These models, over a text of their own",
          answer.models.filter((one) => one.norms),
        ),
        chart("Before training", answer.untrained),
      ].filter(Boolean);
      charts.replaceChildren(...drawn.map((one) => one.node));
      for (const one of drawn) one.draw();
      announce("The gradients are drawn.");
    } catch (error) {
      if (error.name === "AbortError") return;
      state.textContent = "";
      fail(state, error);
    }
  }

  const release = () => drawn.forEach((one) => one.release());
  const seen = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    seen.disconnect();
    load();
  });
  return {
    node,
    start: () => seen.observe(node),
    release() {
      asking?.abort();
      seen.disconnect();
      release();
    },
  };
}

/** One chart: its figure, which is redrawn as its width changes; null where there is nothing to draw. */
function chart(title, models) {
  if (!models.length) return null;
  const series = styled(models);
  const svg = s("svg", { class: "why-distance", role: "img", "aria-label": summary(title, series) });
  const numbers = h(
    "div",
    { class: "scroll", role: "region", "aria-label": `Numbers: ${title}`, tabindex: "0" },
    table(series),
  );
  const node = h(
    "figure",
    { class: "why-chart" },
    h("figcaption", {}, h("h3", {}, title)),
    svg,
    h("details", {}, h("summary", {}, "The numbers"), numbers),
  );

  function draw() {
    const width = Math.max(300, node.clientWidth || 640);
    const below = width < 640; // names stand below the chart where there is no room beside it
    const margin = below ? { ...MARGIN, right: 12, bottom: 54 + LINE * series.length } : MARGIN;
    const height = HEIGHT + margin.bottom - MARGIN.bottom;
    const scale = scales(series, width, height, margin);
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("width", width);
    svg.setAttribute("height", height);
    svg.replaceChildren(
      ...frame(scale),
      ...series.map((one) => path(one, scale)),
      ...(below ? key(series, scale) : names(series, scale)),
    );
  }

  const resized = new ResizeObserver(() => Math.abs(node.clientWidth - svg.viewBox.baseVal.width) > 1 && draw());
  resized.observe(node);
  return { node, draw, release: () => resized.disconnect() };
}

/** A colour and a dash for each, those of its kind if no other has them. */
function styled(models) {
  const taken = new Set();
  return models.map((one) => {
    const usual = KINDS.findIndex((kind) => kind === one.kind || kind === one.name);
    const free = [usual >= 0 ? usual % 5 : 5, 5, 6, 7, 4, 3, 2, 1, 0].find((at) => !taken.has(at)) ?? 7;
    taken.add(free);
    return { ...one, colour: `var(--series-${free + 1})`, dash: DASHES[free] };
  });
}

function points(one) {
  return one.norms.map((norm, distance) => ({ norm, distance })).filter(({ norm }) => norm >= LEAST);
}

function scales(series, width, height, margin) {
  const all = series.flatMap(points);
  const low = Math.floor(Math.log10(Math.min(...all.map(({ norm }) => norm), 0.1)));
  const high = Math.ceil(Math.log10(Math.max(...all.map(({ norm }) => norm), 1)));
  const last = Math.max(...all.map(({ distance }) => distance), 1);
  const right = width - margin.right;
  const bottom = height - margin.bottom;
  return {
    low,
    high,
    last,
    right,
    bottom,
    left: margin.left,
    top: margin.top,
    x: (distance) => margin.left + (distance / last) * (right - margin.left),
    y: (norm) => bottom - ((Math.log10(norm) - low) / (high - low)) * (bottom - margin.top),
  };
}

function frame(scale) {
  const step = Math.max(1, Math.ceil((scale.high - scale.low) / 7));
  const powers = Array.from(
    { length: Math.floor((scale.high - scale.low) / step) + 1 },
    (_, i) => scale.low + i * step,
  );
  const every = scale.last > 20 ? 10 : scale.last > 8 ? 5 : 1;
  const across = Array.from({ length: Math.floor(scale.last / every) + 1 }, (_, i) => i * every);
  return [
    ...powers.flatMap((power) => [
      s("line", {
        class: power === 0 ? "axis" : "grid",
        x1: scale.left,
        x2: scale.right,
        y1: scale.y(10 ** power),
        y2: scale.y(10 ** power),
      }),
      s("text", { x: scale.left - 8, y: scale.y(10 ** power) + 4, "text-anchor": "end" }, tenTo(power)),
    ]),
    s("line", { class: "axis", x1: scale.left, x2: scale.right, y1: scale.bottom, y2: scale.bottom }),
    ...across.map((distance) =>
      s("text", { x: scale.x(distance), y: scale.bottom + 18, "text-anchor": "middle" }, distance),
    ),
    s("text", { x: scale.right, y: scale.bottom + 36, "text-anchor": "end" }, "tokens back →"),
    s("text", { x: scale.left, y: scale.bottom + 36 }, "↑ norm of the gradient, mean"),
  ];
}

function path(one, scale) {
  const d = points(one)
    .map(({ norm, distance }, i) => `${i ? "L" : "M"}${scale.x(distance).toFixed(1)},${scale.y(norm).toFixed(1)}`)
    .join("");
  return s("path", { class: "line", d, "stroke-dasharray": one.dash || null, style: { stroke: one.colour } });
}

/** Names at the ends of the lines, moved apart where they would touch. */
function names(series, scale) {
  const all = series
    .map((one) => ({ one, end: points(one).at(-1) }))
    .filter(({ end }) => end)
    .map(({ one, end }) => ({ one, x: scale.x(end.distance), at: scale.y(end.norm) }));
  const short = all.filter(({ x }) => x < scale.right - 140); // those that end in the chart are named there
  const ends = all.filter((one) => !short.includes(one)).sort((a, b) => a.at - b.at);
  let lowest = -Infinity;
  for (const end of ends) lowest = end.y = Math.max(end.at, lowest + LINE);
  const over = Math.max(0, lowest - scale.bottom);
  ends.forEach((end, i) => (end.y = over ? Math.min(end.y, scale.bottom - LINE * (ends.length - 1 - i)) : end.y));
  const inside = short.map(({ one, x, at }) =>
    s(
      "g",
      { style: { color: one.colour } },
      s("circle", { class: "end", r: 3, cx: x, cy: at }),
      s(
        "text",
        { class: "name", x: x + 8, y: Math.max(at - 6, scale.top + 10) },
        `${name(one)}: ${one.norms.at(-1) > 0 ? `below ${tenTo(Math.log10(LEAST))}` : "no further"}`,
      ),
    ),
  );
  return inside.concat(
    ends.map(({ one, x, y, at }) =>
      s(
        "g",
        { style: { color: one.colour } },
        s("path", { class: "leader", d: `M${x + 3},${at}L${scale.right + 4},${at}L${scale.right + 12},${y}` }),
        s("text", { class: "name", x: scale.right + 15, y: y + 4 }, name(one)),
      ),
    ),
  );
}

/** On a narrow page the names stand below the chart. */
function key(series, scale) {
  return series.flatMap((one, i) => [
    s("line", {
      class: "line",
      x1: scale.left,
      x2: scale.left + 26,
      y1: scale.bottom + 60 + LINE * i,
      y2: scale.bottom + 60 + LINE * i,
      "stroke-dasharray": one.dash || null,
      style: { stroke: one.colour },
    }),
    s("text", { x: scale.left + 34, y: scale.bottom + 64 + LINE * i }, name(one)),
  ]);
}

function name(one) {
  return one.trained ? one.name : one.name.replace("recurrent weights", "weights");
}

function table(series) {
  const last = Math.max(...series.map((one) => one.norms.length - 1));
  const distances = [0, 1, 2, 5, 10, 20, 30, 40].filter((distance) => distance <= last);
  const rows = series.map((one) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, one.name),
      distances.map((d) =>
        h(
          "td",
          { class: "number" },
          one.norms[d] === undefined || one.norms[d] === null
            ? "–"
            : one.norms[d] === 0
              ? "0"
              : one.norms[d].toExponential(1),
        ),
      ),
    ),
  );
  return h(
    "table",
    {},
    h(
      "caption",
      {},
      "Mean norm of the gradient of the log-probability with respect to the embedding so many tokens back; “written out”: of a loss with respect to the recurrent weights at that step.",
    ),
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        h("th", { scope: "col" }, "tokens back"),
        distances.map((d) => h("th", { scope: "col", class: "number" }, d)),
      ),
    ),
    h("tbody", {}, rows),
  );
}

function summary(title, series) {
  const told = series.map(
    (one) =>
      `${one.name} from ${tenTo(power(one.norms[0]))} to ${tenTo(power(one.norms.at(-1)))} over ${one.norms.length - 1} words`,
  );
  return `${title}: norm of the gradient against distance, logarithmic. ${told.join("; ")}.`;
}

function power(value) {
  return value > 0 ? Math.round(Math.log10(value)) : -Infinity;
}

function tenTo(exponent) {
  if (exponent === -Infinity) return "0";
  return exponent === 0 ? "1" : `10${[...String(exponent)].map((digit) => RAISED[digit]).join("")}`;
}
